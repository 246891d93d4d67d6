import { signal } from '@preact/signals'
import type { FunctionComponent } from 'preact'
import { useEffect } from 'preact/hooks'
import { ApiError } from '../api/client.ts'
import { t } from '../i18n.ts'
import { Failed } from './states.tsx'

/** A screen whose code is loaded when it is first shown, or earlier by `fetch`. */
export type OnDemand<Props> = FunctionComponent<Props> & { fetch: () => void }

/** The code of a screen that not every visit needs; `load` imports it. */
export function onDemand<Props extends object>(load: () => Promise<FunctionComponent<Props>>): OnDemand<Props> {
  const loaded = signal<FunctionComponent<Props> | undefined>(undefined)
  const failed = signal(false)
  let isLoading = false

  function fetch(): void {
    if (isLoading) return
    isLoading = true
    load().then(
      (screen) => {
        loaded.value = screen
      },
      () => {
        failed.value = true
      },
    )
  }

  function Screen(props: Props) {
    useEffect(fetch, [])
    const Loaded = loaded.value
    if (Loaded) return <Loaded {...props} />
    // After an update the old files are gone, and the document that names the new ones has to be read again.
    const again = () => location.reload()
    return (
      <main id="main">{failed.value && <Failed what={t('page')} error={new ApiError(0, '')} again={again} />}</main>
    )
  }

  return Object.assign(Screen, { fetch })
}

import { type ReadonlySignal, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { type ApiError, get } from './client.ts'

export interface Resource<T> {
  /** Kept while it is fetched again. */
  data: ReadonlySignal<T | undefined>
  error: ReadonlySignal<ApiError | undefined>
  /** Loading takes long enough for the user to notice. */
  slow: ReadonlySignal<boolean>
  reload: () => void
}

const noticedAfterMs = 300

/** Fetches `/admin/api/<path>`: once for each new path, and every `everyMs` while the tab is visible. */
export function useResource<T>(path: string | undefined, everyMs?: number): Resource<T> {
  const data = useSignal<T | undefined>(undefined)
  const error = useSignal<ApiError | undefined>(undefined)
  const slow = useSignal(false)
  const reload = useRef<() => void>(() => {})

  useEffect(() => {
    if (path === undefined) return
    let controller = new AbortController()
    const read = (again: boolean) => {
      controller.abort()
      controller = new AbortController()
      const { signal } = controller
      const notice = again ? 0 : window.setTimeout(() => (slow.value = true), noticedAfterMs)
      get<T>(path, signal)
        .then((value) => {
          data.value = value
          error.value = undefined
        })
        .catch((thrown) => {
          if (!signal.aborted) error.value = thrown
        })
        .finally(() => {
          clearTimeout(notice)
          if (!signal.aborted) slow.value = false
        })
    }
    reload.current = () => read(true)
    data.value = undefined
    error.value = undefined
    read(false)
    const timer = everyMs === undefined ? 0 : window.setInterval(() => !document.hidden && read(true), everyMs)
    return () => {
      clearInterval(timer)
      controller.abort()
    }
  }, [path, everyMs, data, error, slow])

  return { data, error, slow, reload: () => reload.current() }
}

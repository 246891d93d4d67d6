import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { type TextName, t } from '../i18n.ts'
import { navigate } from '../router.ts'
import { Dialog } from './dialog.tsx'

type Actions = Record<string, () => void>
const screens = new Set<{ current: Actions }>()

/** Keys of a screen while it is shown: `j`, `Enter`, `ArrowDown`. */
export function useShortcuts(actions: Actions): void {
  const latest = useRef(actions)
  latest.current = actions
  useEffect(() => {
    screens.add(latest)
    return () => void screens.delete(latest)
  }, [])
}

/** The letter behind `g` for each place. */
const letters: Record<string, string> = {
  n: '',
  r: 'requests',
  s: 'sessions',
  u: 'usage',
  k: 'keys',
  p: 'upstreams',
  t: 'try',
  y: 'system',
}

const typed = 'input, textarea, select, [contenteditable]'

/** Letters never act while a field has the focus, nor while a dialog is open. */
export function Shortcuts({ places }: { places: readonly { name: string; title: TextName }[] }) {
  const open = useSignal(false)
  const known = new Set(places.map(({ name }) => name))
  const names = useRef(known)
  names.current = known
  useEffect(() => {
    // When `g` was pressed, on the clock that begins with the page.
    let went = Number.NEGATIVE_INFINITY
    const act = (event: KeyboardEvent) => {
      const { target, key } = event
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
      const field = target instanceof Element && target.closest(typed)
      if (field && key === 'Escape' && field instanceof HTMLElement) return field.blur()
      if (field || document.querySelector('dialog[open]')) return
      // A control that has the focus keeps the keys that press it.
      const onControl = target instanceof Element && target.closest('a, button, summary, [role=tab]')
      if (onControl && (key === 'Enter' || key === ' ')) return
      if (key === 'g') {
        went = performance.now()
        return
      }
      const place = performance.now() - went < 1500 ? letters[key] : undefined
      went = Number.NEGATIVE_INFINITY
      if (place !== undefined && names.current.has(place)) navigate(place)
      else if (key === '?') open.value = true
      else {
        const action = [...screens].reverse().find(({ current }) => Object.hasOwn(current, key))
        if (!action) return
        action.current[key]?.()
      }
      event.preventDefault()
    }
    addEventListener('keydown', act)
    return () => removeEventListener('keydown', act)
  }, [open])

  if (!open.value) return null
  const rows: [string, string][] = [
    ...Object.entries(letters).flatMap(([letter, name]): [string, string][] => {
      const place = places.find((each) => each.name === name)
      return place ? [[`g ${letter}`, t(place.title)]] : []
    }),
    ...(known.has('requests')
      ? ([
          ['/', t('keyFilter')],
          ['j k ↓ ↑', t('keyRows')],
          ['Enter', t('keyOpen')],
          ['Esc', t('keyBack')],
          ['[ ]', t('keySession')],
          ['1 2 3 4', t('keyBodies')],
          ['c e w', t('keyViews')],
          ['d', t('keyCompare')],
          ['r', t('keyReplay')],
          ['Space', t('keyPause')],
          ['y', t('keyCopyId')],
        ] as [string, string][])
      : []),
    ['?', t('keyThis')],
  ]
  return (
    <Dialog title={t('keyboard')} onClose={() => (open.value = false)}>
      <dl class="kv">
        {rows.map(([keys, what]) => (
          <>
            <dt key={keys}>
              {keys.split(' ').map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </>
        ))}
      </dl>
    </Dialog>
  )
}

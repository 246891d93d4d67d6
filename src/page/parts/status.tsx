import type { ComponentChildren } from 'preact'

/** `''` is ready or done, `no` keeps the room without a mark. */
export type Mark = '' | 'run' | 'wait' | 'warn' | 'bad' | 'off' | 'no'

/** A shape, a colour and a word. */
export function Status({ mark, children }: { mark: Mark; children: ComponentChildren }) {
  return (
    <span class={mark === 'bad' ? 'st bad' : 'st'}>
      <i class={`g ${mark}`} />
      {children}
    </span>
  )
}

export function Dim({ children }: { children: ComponentChildren }) {
  return <span class="dim">{children}</span>
}

/** A unit behind its number. */
export function Unit({ children }: { children: ComponentChildren }) {
  return <span class="u">{children}</span>
}

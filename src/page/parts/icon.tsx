const shapes = {
  again: 'M13 8a5 5 0 1 1-1.5-3.5L13 6M13 2.5V6H9.5',
  bars: 'M3.5 13V8M8 13V3M12.5 13v-7',
  cols: 'M2.5 3.5h11v9h-11zM6.5 3.5v9',
  copy: 'M6 5.5h6.5v8H6zM3.5 10.5V2.5H10',
  down: 'M8 2.5v8m-3-3 3 3 3-3M3 13.5h10',
  find: 'm10.5 10.5 3 3M11.5 7a4.5 4.5 0 1 1-9 0 4.5 4.5 0 0 1 9 0z',
  columns: 'M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10',
  image: 'M2.5 3.5h11v9h-11zm0 7.5L6 7.5l5 5',
  left: 'm9.5 3.5-4.5 4.5 4.5 4.5',
  list: 'M2.5 4h11M2.5 8h11M2.5 12h7',
  more: 'M3.5 8h.01M8 8h.01M12.5 8h.01',
  now: 'M2 8.5h3l2-5 2.5 9 2-4H14',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  play: 'M5 3.5v9l7-4.5z',
  plus: 'M8 3.5v9M3.5 8h9',
  right: 'm6.5 3.5 4.5 4.5-4.5 4.5',
  tree: 'M3.5 2.5v9H8M3.5 6.5H8M10 6.5h3.5M10 11.5h3.5',
  up: 'M8 13V3m-4 4 4-4 4 4',
  x: 'm4 4 8 8m0-8-8 8',
} as const

export type IconName = keyof typeof shapes | 'sun'

/** Hidden from screen readers: the control around it has a name. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="i" viewBox="0 0 16 16" aria-hidden="true">
      {name === 'sun' ? (
        <>
          <circle cx="8" cy="8" r="5" />
          <path d="M8 3a5 5 0 0 1 0 10z" fill="currentColor" stroke="none" />
        </>
      ) : (
        <path d={shapes[name]} stroke-width={name === 'more' ? 2 : undefined} />
      )}
    </svg>
  )
}

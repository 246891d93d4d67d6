const quote = 0x22
const backslash = 0x5c
/** The first character that may stand in a JSON string as it is. */
const firstLegal = 0x20
// biome-ignore lint/suspicious/noControlCharactersInRegex: ten times faster than all characters but the legal ones
const illegal = /[\0-\x1f]/

/** UTF-16 units that are read one by one before the next stop is searched for, which costs as much as a few dozen. */
const nearby = 64

/** Where the reader of a string in pieces stands. */
export interface StringPosition {
  /** A backslash came last. */
  escaped: boolean
}

/**
 * The place of the quote that ends a JSON string, from `from` on; with `legal`, also of a character that may not stand in
 * one. The length of the text if there is none. A megabyte is read in less than a millisecond where quotes are rare, and
 * in three where they are not.
 */
export function stringStop(position: StringPosition, text: string, from: number, legal?: 'legal'): number {
  let { escaped } = position
  let at = from
  let jumpAt = from + nearby
  while (at < text.length) {
    if (at >= jumpAt && !escaped) {
      const stop = nextStop(text, at, legal)
      // The backslashes before the stop decide whether it is one.
      at = startOfBackslashes(text, at, stop)
      jumpAt = stop + nearby
      if (at === text.length) break
    }
    const code = text.charCodeAt(at)
    if (escaped) escaped = false
    else if (code === backslash) escaped = true
    else if (code === quote || (legal && code < firstLegal)) break
    at++
  }
  position.escaped = escaped
  return at
}

function nextStop(text: string, from: number, legal?: 'legal'): number {
  const found = text.indexOf('"', from)
  const end = found < 0 ? text.length : found
  const stop = legal ? text.slice(from, end).search(illegal) : -1
  return stop < 0 ? end : from + stop
}

function startOfBackslashes(text: string, from: number, to: number): number {
  let at = to
  while (at > from && text.charCodeAt(at - 1) === backslash) at--
  return at
}

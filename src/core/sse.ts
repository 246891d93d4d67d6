/** One server-sent event as text. `data` must hold no line break, as JSON text never does. */
export function sseMessage(data: string, event?: string): string {
  return event === undefined ? `data: ${data}\n\n` : `event: ${event}\ndata: ${data}\n\n`
}

/** Writes events that differ in nothing but a string: all that is `before` and `after` it in each. */
export function templateWriter(before: string, after: string): (pieces: readonly string[]) => string {
  const between = after + before
  return (pieces) => before + (pieces.length === 1 ? pieces[0] : pieces.join(between)) + after
}

/** JSON that has no other bytes than those of ASCII: clients may have named their model in any script. */
export function asciiJson(value: object): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** A text as it stands in JSON, without the quotes: what differs from one delta to the next. */
export function jsonEscape(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

/** One server-sent event as text. `data` must hold no line break, as JSON text never does. */
export function sseMessage(data: string, event?: string): string {
  return event === undefined ? `data: ${data}\n\n` : `event: ${event}\ndata: ${data}\n\n`
}

/** Writes events that differ in one string only; `before` and `after` are the constant text around that string. */
export function templateWriter(before: string, after: string): (pieces: readonly string[]) => string {
  const between = after + before
  return (pieces) => before + (pieces.length === 1 ? pieces[0] : pieces.join(between)) + after
}

/** JSON with ASCII characters only: a model name from the client may have any characters. */
export function asciiJson(value: object): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** A text as a JSON string without its quotes: the part that differs from one delta to the next. */
export function jsonEscape(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

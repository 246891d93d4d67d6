/** One server-sent event as text. `data` must hold no line break, as JSON text never does. */
export function sseMessage(data: string, event?: string): string {
  return event === undefined ? `data: ${data}\n\n` : `event: ${event}\ndata: ${data}\n\n`
}

/** A text as it stands in JSON, without the quotes: what differs from one delta to the next. */
export function unquoted(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

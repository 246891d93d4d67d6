const mark = btoa('zai2api/1')

/**
 * Encodes a text that a client sends back unread, such as reasoning that is not shown. It is not encryption: the text
 * only has to survive the round trip, and be distinguishable from what other servers produce.
 */
export function encodeEchoed(text: string): string {
  return mark + Buffer.from(text).toString('base64')
}

/** The text, or `undefined` if `echoed` was not made by `encodeEchoed`. */
export function decodeEchoed(echoed: string): string | undefined {
  return echoed.startsWith(mark) ? Buffer.from(echoed.slice(mark.length), 'base64').toString() : undefined
}

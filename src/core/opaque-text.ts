const mark = btoa('zai2api/1')

/**
 * Encodes a text that a client sends back unread, such as reasoning that is not shown. It is not encryption: the text
 * only has to survive the round trip, and be distinguishable from what other servers produce.
 */
export function seal(text: string): string {
  return mark + Buffer.from(text).toString('base64')
}

/** The text, or `undefined` if `sealed` was not made by `seal`. */
export function unseal(sealed: string): string | undefined {
  return sealed.startsWith(mark) ? Buffer.from(sealed.slice(mark.length), 'base64').toString() : undefined
}

const mark = btoa('zai2api/1')

/**
 * Packs a text for a client to send back unread, such as thoughts that are not to be shown. It hides nothing: it only
 * has to survive the way there and back, and to be known from what other servers have sealed.
 */
export function seal(text: string): string {
  return mark + Buffer.from(text).toString('base64')
}

/** The text, or `undefined` for what was not sealed here. */
export function unseal(sealed: string): string | undefined {
  return sealed.startsWith(mark) ? Buffer.from(sealed.slice(mark.length), 'base64').toString() : undefined
}

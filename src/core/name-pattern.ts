/**
 * Whether a name fits a pattern, in which `*` stands for any run of characters. Case does not matter.
 *
 * No regular expression: with a few stars, one takes minutes for a name that a client has made for it.
 */
export function matchesPattern(pattern: string, name: string): boolean {
  const [head = '', ...rest] = pattern.toLowerCase().split('*')
  const text = name.toLowerCase()
  if (rest.length === 0) return text === head
  if (!text.startsWith(head)) return false
  let at = head.length
  const tail = rest.pop() ?? ''
  for (const piece of rest) {
    const found = text.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return text.length - tail.length >= at && text.endsWith(tail)
}

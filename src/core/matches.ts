const none: readonly RegExpExecArray[] = []

/**
 * What a pattern with the flag `g` matches, in order; the pattern must not match an empty text. Most texts that are
 * searched for secrets match nothing, and `matchAll` would copy the pattern for each of them.
 */
export function matchesOf(pattern: RegExp, text: string): readonly RegExpExecArray[] {
  pattern.lastIndex = 0
  let match = pattern.exec(text)
  if (match === null) return none
  const matches: RegExpExecArray[] = []
  for (; match !== null; match = pattern.exec(text)) matches.push(match)
  return matches
}

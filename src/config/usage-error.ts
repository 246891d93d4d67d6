/** What the operator wrote cannot be used. `message` is one line: what, where it was written, what is allowed. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/**
 * `text` on one line, whatever it holds: control characters, which could also command a terminal, and those that are not
 * seen or turn the order of reading around, as escapes.
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  )
}

/** `did you mean --port? ` where one of `words` is a slip of the finger away from `word`, else ''. */
export function didYouMean(word: string, words: readonly string[], prefix = ''): string {
  const best = nearest(word.toLowerCase(), words, Math.floor(word.length / 3))
  return best === undefined ? '' : `did you mean ${prefix}${best}? `
}

/** The word that takes the fewest slips to become `word`: `furthest` of them, but one slip is always forgiven. */
export function nearest(word: string, words: readonly string[], furthest: number): string | undefined {
  const [best] = words
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .filter(({ distance }) => distance <= Math.max(1, furthest))
    .sort((a, b) => a.distance - b.distance)
  return best?.candidate
}

/** Letters to insert, delete, replace or swap with their neighbour (optimal string alignment). */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1]
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      current.push(
        Math.min(
          at(last, column) + 1,
          at(current, column - 1) + 1,
          at(last, column - 1) + (same ? 0 : 1),
          swapped ? at(beforeLast, column - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
    beforeLast = last
    last = current
  }
  return at(last, to.length)
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY
}

/** An error in the command line or the configuration. `message` is one line: the error, its origin and what is allowed. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  /** The message without the remedy. */
  readonly problem: string
  /** What to do about it, if the message ends in that. */
  readonly remedy: string | undefined

  constructor(problem: string, { remedy, ...options }: ErrorOptions & { remedy?: string } = {}) {
    super(remedy === undefined ? problem : `${problem}; ${remedy}`, options)
    this.problem = problem
    this.remedy = remedy
  }
}

/**
 * Escapes control, invisible and text-direction characters, and line and paragraph separators, as `\uXXXX`. The result
 * is one line and cannot control a terminal.
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  )
}

/** `did you mean --port? ` if `word` looks like a typing error of one of `words`, else ''. */
export function didYouMean(word: string, words: readonly string[], prefix = ''): string {
  const best = nearest(word.toLowerCase(), words, Math.floor(word.length / 3))
  return best === undefined ? '' : `did you mean ${prefix}${best}? `
}

/** The candidate with the smallest edit distance to `word`, at most `maxDistance`. Distance 1 is always accepted. */
export function nearest(word: string, words: readonly string[], maxDistance: number): string | undefined {
  const [best] = words
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .filter(({ distance }) => distance <= Math.max(1, maxDistance))
    .sort((a, b) => a.distance - b.distance)
  return best?.candidate
}

/** The number of insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
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

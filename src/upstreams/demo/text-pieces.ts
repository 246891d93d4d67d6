const words = new Intl.Segmenter('en', { granularity: 'word' })
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** The text in pieces of two words, spaces and punctuation with them; an emoji is never cut. */
export function pieces(text: string): string[] {
  const out: string[] = []
  let piece = ''
  let count = 0
  for (const { segment, isWordLike } of words.segment(text)) {
    if (isWordLike && count === 2) {
      out.push(piece)
      piece = ''
      count = 0
    }
    piece += segment
    if (isWordLike) count++
  }
  if (piece !== '') out.push(piece)
  return out
}

/** The text in slices of `size` characters as a person counts them. */
export function slices(text: string, size: number): string[] {
  const out: string[] = []
  let count = 0
  for (const { segment } of graphemes.segment(text)) {
    if (count++ % size === 0) out.push('')
    out[out.length - 1] += segment
  }
  return out
}

/** One line of at most `limit` characters as a person counts them, the last an ellipsis when there was more. */
export function shorten(text: string, limit: number): string {
  // A pasted book is not segmented for the sake of its first line.
  const start = text.trimStart().slice(0, 20 * limit)
  const line = slices(start.toWellFormed().replaceAll(/\s+/g, ' ').trim(), 1)
  return line.length <= limit ? line.join('') : `${line.slice(0, limit - 1).join('')}…`
}

/** Plausible tokens: a word, or one Han character. */
export function countTokens(text: string): number {
  return text.match(/\p{Script=Han}|[^\s\p{Script=Han}]+/gu)?.length ?? 0
}

const words = new Intl.Segmenter('en', { granularity: 'word' })
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** Splits a text into pieces of two words with their spaces and punctuation. An emoji is never cut. */
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

/** Splits a text into slices of `size` characters; an emoji counts as one character. */
export function slices(text: string, size: number): string[] {
  const out: string[] = []
  let count = 0
  for (const { segment } of graphemes.segment(text)) {
    if (count++ % size === 0) out.push('')
    out[out.length - 1] += segment
  }
  return out
}

/**
 * One line of at most `limit` characters; an emoji counts as one. The last one is an ellipsis if the text was longer.
 */
export function shorten(text: string, limit: number): string {
  // Only the beginning of a long text is segmented.
  const start = text.trimStart().slice(0, 20 * limit)
  const line = slices(start.toWellFormed().replaceAll(/\s+/g, ' ').trim(), 1)
  return line.length <= limit ? line.join('') : `${line.slice(0, limit - 1).join('')}…`
}

/** A plausible token count: a token is a word or one Han character. */
export function countTokens(text: string): number {
  return text.match(/\p{Script=Han}|[^\s\p{Script=Han}]+/gu)?.length ?? 0
}

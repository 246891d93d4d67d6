/** Shorter texts take little memory, whatever they are made of. */
const smallLength = 4_096

/**
 * `text + piece`, for a text that grows by small pieces and is read at its end. The engine keeps every piece until the
 * text is read, which takes 90 bytes for a word of 7 characters. So the text is read whenever it has grown by an eighth.
 */
export function appended(text: string, piece: string): string {
  const whole = text + piece
  if (whole.length < smallLength || eighths(whole.length) === eighths(text.length)) return whole
  // Always true. Without a use of the character the engine would not read it.
  return whole.charCodeAt(whole.length - 1) >= 0 ? whole : text
}

/** The four highest bits: they change whenever a number grows by an eighth. */
function eighths(length: number): number {
  return length >>> (28 - Math.clz32(length))
}

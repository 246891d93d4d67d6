/** Shorter texts take little memory, whatever they are made of. */
const smallLength = 4_096
/** From this length on, copying the text for each eighth would take too long. Replies are shorter. */
const longLength = 1_048_576

/**
 * `text + piece`, for a text that grows by small pieces and is read at its end. The engine keeps every piece until the
 * text is read, which takes 90 bytes for a word of 7 characters. So the text is read whenever it has grown by an eighth,
 * or where it is long, to twice its length.
 */
export function appendText(text: string, piece: string): string {
  const whole = text + piece
  if (whole.length < smallLength || mark(whole.length) === mark(text.length)) return whole
  // Always true. Without a use of the character the engine would not read it.
  return whole.charCodeAt(whole.length - 1) >= 0 ? whole : text
}

/** The four highest bits of a length, which change whenever it grows by an eighth, or its number of bits. */
function mark(length: number): number {
  const bits = 32 - Math.clz32(length)
  return length < longLength ? length >>> (bits - 4) : bits
}

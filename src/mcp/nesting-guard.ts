/**
 * Reads the bytes of JSON, or of events with JSON, as they come, and tells whether anything in them is nested in more than
 * `most` objects and lists. The SDK checks messages by functions that call themselves, and needs seconds until a message
 * is too deep for them.
 */
export function nestingGuard(most: number): (bytes: Uint8Array) => boolean {
  let depth = 0
  let inString = false
  let isEscaped = false
  let last = 0

  return (bytes) => {
    for (const byte of bytes) {
      if (byte === newline) endLine()
      else if (inString) inside(byte)
      else if (byte === quote) inString = true
      else if (byte === openBrace || byte === openBracket) depth++
      else if (byte === closeBrace || byte === closeBracket) depth = Math.max(0, depth - 1)
      if (depth > most) return true
      if (byte !== carriageReturn) last = byte
    }
    return false
  }

  function inside(byte: number): void {
    if (isEscaped) isEscaped = false
    else if (byte === backslash) isEscaped = true
    else if (byte === quote) inString = false
  }

  /** No string of JSON goes on behind a line, and no message behind an empty one. */
  function endLine(): void {
    inString = false
    isEscaped = false
    if (last === newline) depth = 0
  }
}

const newline = 0x0a
const carriageReturn = 0x0d
const quote = 0x22
const backslash = 0x5c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

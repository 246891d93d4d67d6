/** Lines of MIME have 76 characters, those of PEM 64. What is shorter than this is a word. */
const shortestLine = 20

/** Base64 without its line breaks. */
export interface Unwrapped {
  text: string
  /** Position of each character in the text that it was taken from, then the end of the last one. */
  origin: Uint32Array<ArrayBuffer>
}

/**
 * Joins base64 that is broken over several lines. `undefined` if the text has none. A break may be a real one or escaped
 * (`\n`), as in JSON.
 *
 * Cost: one search for breaks; at each break outside of base64, at most 20 characters are looked at.
 */
export function unwrappedBase64(text: string): Unwrapped | undefined {
  let joined = ''
  let origin: Uint32Array<ArrayBuffer> | undefined
  let length = 0
  // Where the last line that was read continues.
  let next = -1
  // Where the line begins.
  let lineStart = 0
  let plain = text.indexOf('\n')
  let escaped = text.indexOf('\\n')
  while (plain >= 0 || escaped >= 0) {
    const isEscaped = plain < 0 || (escaped >= 0 && escaped < plain)
    const at = isEscaped ? escaped : plain
    const end = behindSpaces(text, at + (isEscaped ? 2 : 1))
    if (isBase64(text, end)) addLine(startOf(text, at, isEscaped), end)
    lineStart = end
    if (isEscaped) escaped = text.indexOf('\\n', end)
    else plain = text.indexOf('\n', end)
  }
  endBlock()
  return origin && { text: joined, origin: origin.subarray(0, length) }

  /** The line in front of a break, if it ends in base64. */
  function addLine(start: number, end: number): void {
    let run = start
    while (run > lineStart && isBase64(text, run - 1)) run--
    if (start - run < shortestLine) return
    if (run !== next) endBlock()
    take(run, start)
    next = end
  }

  function take(from: number, to: number): void {
    origin ??= new Uint32Array(text.length + 1)
    joined += text.slice(from, to)
    for (let at = from; at < to; at++) origin[length++] = at
  }

  /** The last line of a block, followed by a character outside base64, so that blocks stay apart. */
  function endBlock(): void {
    if (next < 0) return
    let end = next
    while (isBase64(text, end)) end++
    take(next, end)
    joined += '\n'
    if (origin) origin[length++] = end
  }
}

/** Where a line break begins, whose `\n` is at `at`. */
function startOf(text: string, at: number, isEscaped: boolean): number {
  if (isEscaped) return text[at - 2] === '\\' && text[at - 1] === 'r' ? at - 2 : at
  return text[at - 1] === '\r' ? at - 1 : at
}

function behindSpaces(text: string, at: number): number {
  let end = at
  while (text.charCodeAt(end) === 32 || text.charCodeAt(end) === 9) end++
  return end
}

const alphabet = new Uint8Array(128)
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_')
  alphabet[char.charCodeAt(0)] = 1

function isBase64(text: string, at: number): boolean {
  return alphabet[text.charCodeAt(at)] === 1
}

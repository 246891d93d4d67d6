import { GatewayError } from '../core/errors.ts'

/** The most values in a body, with objects and lists: twice as many as 10,000 turns full of calls have. */
const mostValues = 250_000

/** The shortest value with its comma. */
const leastCharacters = 2

/**
 * Refuses a body with more values than any real one, before it is parsed. Each value costs about a microsecond until
 * the body is decoded, and other requests wait meanwhile. Long texts cost nearly nothing. Errors: `invalid-request`.
 */
export function rejectTooManyValues(body: string): void {
  if (body.length <= mostValues * leastCharacters || !hasMoreValues(body, mostValues)) return
  throw new GatewayError('invalid-request', `The request body holds more than ${mostValues} JSON values.`, {
    code: 'too_many_values',
  })
}

const quote = 0x22
const backslash = 0x5c
/** Each value except the first follows one of these characters, or begins with one. */
const startsValue = new Uint8Array(128)
for (const char of ',[{') startsValue[char.charCodeAt(0)] = 1

function hasMoreValues(json: string, most: number): boolean {
  let values = 0
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at)
    if (code === quote) {
      at = closingQuote(json, at)
      if (at < 0) return false // not JSON; the parser reports the position
    } else if (startsValue[code] === 1 && ++values > most) return true
  }
  return false
}

/** The index of the quote that closes the string opened at `start`, or -1. */
function closingQuote(json: string, start: number): number {
  let at = json.indexOf('"', start + 1)
  while (at >= 0 && isEscaped(json, at)) at = json.indexOf('"', at + 1)
  return at
}

function isEscaped(json: string, position: number): boolean {
  let before = position
  while (json.charCodeAt(before - 1) === backslash) before--
  return (position - before) % 2 === 1
}

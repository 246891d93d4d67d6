import { GatewayError } from '../core/errors.ts'

/** Values in a body, objects and lists included: twice those of 10,000 turns full of calls. */
const mostValues = 250_000

/** As short as a value with its comma can be. */
const leastCharacters = 2

/**
 * Refuses a body of more values than anybody means, before it is parsed: each costs about a microsecond until the body
 * is decoded, and nobody else is answered meanwhile. Text costs next to nothing. Errors: `invalid-request`.
 */
export function rejectTooManyValues(body: string): void {
  if (body.length <= mostValues * leastCharacters || !hasMoreValues(body, mostValues)) return
  throw new GatewayError('invalid-request', `The request body holds more than ${mostValues} JSON values.`, {
    code: 'too_many_values',
  })
}

const quote = 0x22
const backslash = 0x5c
/** Each value but the first has one of these right before it, or begins with one. */
const startsValue = new Uint8Array(128)
for (const char of ',[{') startsValue[char.charCodeAt(0)] = 1

function hasMoreValues(json: string, most: number): boolean {
  let values = 0
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at)
    if (code === quote) {
      at = closingQuote(json, at)
      if (at < 0) return false // no JSON; the parser says where
    } else if (startsValue[code] === 1 && ++values > most) return true
  }
  return false
}

/** The place of the quote that closes the string opened at `start`, or -1. */
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

import { isRecord, parseJson } from '../../../core/json.ts'

/** The earlier turns, for the next prompt. */
export interface Exchange {
  system: string
  turns: { prompt: string; response: string }[]
}

/** Distinguishes our numbers from the tokens of a model. */
const mark = 0x7a_32_61
const bytesOfNumber = 3

/** The longest that fits into the body of the next request, which may not hold more values than 250,000. */
const mostNumbers = 240_000

/**
 * A conversation as numbers. Clients keep the `context` of a reply and send it with the next prompt, without looking into it; in
 * Ollama these are tokens. Here they are the bytes of the conversation itself, so nothing has to be kept between requests.
 * `undefined` for one that is too long to be sent back.
 */
export function encodeContext(exchange: Exchange): number[] | undefined {
  const bytes = new TextEncoder().encode(JSON.stringify(exchange))
  if (bytes.length > mostNumbers * bytesOfNumber) return undefined
  const numbers = [mark, bytes.length]
  for (let at = 0; at < bytes.length; at += bytesOfNumber)
    numbers.push(((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0))
  return numbers
}

/** `undefined` for the tokens of another server. */
export function decodeContext([first, length = 0, ...numbers]: readonly number[]): Exchange | undefined {
  if (first !== mark || length > numbers.length * bytesOfNumber) return undefined
  const bytes = new Uint8Array(numbers.length * bytesOfNumber)
  for (const [at, number] of numbers.entries()) bytes.set([number >> 16, number >> 8, number], at * bytesOfNumber)
  const said = parseJson(new TextDecoder().decode(bytes.subarray(0, length)))
  if (!isRecord(said) || typeof said.system !== 'string' || !Array.isArray(said.turns)) return undefined
  const turns = said.turns.flatMap((turn: unknown) =>
    isRecord(turn) && typeof turn.prompt === 'string' && typeof turn.response === 'string'
      ? [{ prompt: turn.prompt, response: turn.response }]
      : [],
  )
  return { system: said.system, turns }
}

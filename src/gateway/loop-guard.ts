import { appendText } from '../core/append-text.ts'
import { GatewayError } from '../core/errors.ts'
import type { Delta } from '../core/events.ts'
import type { Transform } from '../core/transform.ts'

/** The longest passage, in characters, whose repetition is noticed. */
const maxPeriod = 2_048
/** Long enough to contain every passage twice. */
const blockLength = 2 * maxPeriod

/** Fewer repetitions may be intended, such as rulers, rows of a table and padding. */
const minRepeats = 50
/** Equal calls allowed in one reply. Agents run a tool several times, but not as often as this. */
const maxEqualCalls = 32

/**
 * Characters of one reply, with its reasoning and the arguments of its calls. The longest that a model writes has 131,072
 * tokens, which are about 600,000. A reply that is read as a whole, or while nobody waits, is held in memory.
 */
const mostCharacters = 12_000_000
/** The minimum that a delta counts, because its event takes about 250 bytes, however short its text is. */
const leastCharacters = 20

/**
 * Ends a reply that repeats itself endlessly with the error `repetition_loop`, and a reply that becomes too long with
 * `upstream_answer_too_large`.
 *
 * A reply loops in two cases. Either the answer, the reasoning or the arguments of one call repeat a passage of up to
 * 2,048 characters at least 50 times in a row and over at least `limit` characters. Or a call with equal arguments
 * comes more than 32 times. One different character interrupts a repetition, so tables and lists are no loops. A
 * `limit` of 0 disables these checks.
 */
export function loopGuard(limit: number): Transform<Delta, Delta> {
  // Each is created when the reply begins with it.
  let text: ReturnType<typeof repetitions> | undefined
  let reasoning: ReturnType<typeof repetitions> | undefined
  let calls: ReturnType<typeof equalCalls> | undefined
  let left = mostCharacters
  let over = false
  return {
    push(delta, out) {
      if (over) return
      left -= Math.max(leastCharacters, charactersOf(delta))
      const looped = limit === 0 ? undefined : inspect(delta)
      over = looped !== undefined || left < 0
      if (looped !== undefined) out.push({ type: 'error', error: loopError(looped) })
      else out.push(over ? { type: 'error', error: endless() } : delta)
    },
    end() {},
    passthrough: () => !over,
  }

  function inspect(delta: Delta): string | undefined {
    switch (delta.type) {
      case 'text':
        text ??= repetitions(limit)
        return loopMessage('The answer', text(delta.text))
      case 'reasoning':
        reasoning ??= repetitions(limit)
        return loopMessage('The thinking', reasoning(delta.text))
      case 'tool-call':
        calls ??= equalCalls(limit)
        return calls(delta)
      case 'finish':
      case 'server-tool':
      case 'usage':
      case 'error':
        return undefined
      default:
        return delta satisfies never
    }
  }
}

function charactersOf(delta: Delta): number {
  if (delta.type === 'text' || delta.type === 'reasoning') return delta.text.length
  if (delta.type !== 'tool-call') return 0
  return [delta.id, delta.name, delta.arguments].reduce((sum, { length } = '') => sum + length, 0)
}

function endless(): GatewayError {
  return new GatewayError(
    'upstream-malformed',
    `The answer went on behind ${mostCharacters.toLocaleString('en-US')} characters, so it was stopped.`,
    { code: 'upstream_answer_too_large' },
  )
}

interface Repetition {
  period: number
  length: number
}

/** The message does not contain the passage, because messages are logged and replies must not be. */
function loopMessage(what: string, repetition: Repetition | undefined): string | undefined {
  if (repetition === undefined) return undefined
  const { period, length } = repetition
  const times = Math.floor(length / period).toLocaleString('en-US')
  return `${what} repeats the same ${period} character${period === 1 ? '' : 's'} without end (${times} times by now)`
}

function loopError(what: string): GatewayError {
  return new GatewayError(
    'upstream-malformed',
    `${what}, so it was stopped. Ask again, or in other words. LOOP_LIMIT sets how much repetition the gateway lets through.`,
    { code: 'repetition_loop' },
  )
}

/**
 * Returns a function that takes a text chunk by chunk, and returns the repetition at its end once it is long enough.
 *
 * The text is searched for a period block by block. Once there is one, every further character is compared with the one
 * a period earlier. Each character takes constant time, and the memory is one block. Counting starts at the first block
 * that lies entirely in the repetition, so a repetition may be up to two blocks longer than reported.
 */
function repetitions(limit: number): (text: string) => Repetition | undefined {
  // Text that is not searched yet, while no repetition is known.
  let block = ''
  // During a repetition: the repeated passage, and the length of the repetition so far.
  let passage = ''
  let length = 0

  return (text) => {
    for (let rest = text; rest !== ''; ) {
      rest = passage === '' ? search(rest) : compare(rest)
      if (passage !== '' && length >= requiredLength()) return { period: passage.length, length }
    }
    return undefined
  }

  function requiredLength(): number {
    return Math.max(limit, minRepeats * passage.length)
  }

  /** Searches the block once it is full. Like `compare`, returns the rest of the text. */
  function search(text: string): string {
    const missing = blockLength - block.length
    block += text.length > missing ? text.slice(0, missing) : text
    if (block.length < blockLength) return ''
    const period = smallestPeriod(block)
    passage = period > maxPeriod ? '' : block.slice(-period)
    length = blockLength
    block = ''
    return text.slice(missing)
  }

  function compare(text: string): string {
    let at = 0
    for (const goal = requiredLength(); at < text.length && length < goal; at++) {
      if (text.charCodeAt(at) === passage.charCodeAt((length - blockLength) % passage.length)) length++
      else {
        passage = ''
        break
      }
    }
    return text.slice(at)
  }
}

const probeLength = 16

/**
 * The smallest period of a block, by the prefix function of Knuth, Morris and Pratt. Most blocks have none, which a
 * search for their last 16 characters shows quickly.
 */
function smallestPeriod(block: string): number {
  const probeAt = blockLength - probeLength
  if (block.lastIndexOf(block.slice(probeAt), probeAt - 1) < probeAt - maxPeriod) return blockLength
  const borders = new Uint16Array(blockLength)
  let border = 0
  for (let at = 1; at < blockLength; at++) {
    const char = block.charCodeAt(at)
    while (border > 0 && char !== block.charCodeAt(border)) border = borders[border - 1] ?? 0
    if (char === block.charCodeAt(border)) border++
    borders[at] = border
  }
  return blockLength - border
}

/** Returns a function that takes the deltas of calls and returns a message once equal calls come too often. A call is complete when the next one begins. */
function equalCalls(limit: number): (delta: Extract<Delta, { type: 'tool-call' }>) => string | undefined {
  const keys = new Set<string>()
  const timesOf = new Map<number | bigint, number>()
  let newest = { key: '', name: '', arguments: '', repetition: repetitions(limit) }

  return (delta) => {
    if (delta.key !== newest.key || keys.size === 0) {
      // A delta of an earlier call: calls that are streamed in parallel are not checked.
      if (keys.has(delta.key)) return undefined
      const repeated = keys.size > 0 ? count() : undefined
      if (repeated !== undefined) return repeated
      keys.add(delta.key)
      newest = { key: delta.key, name: '', arguments: '', repetition: repetitions(limit) }
    }
    newest.name ||= delta.name ?? ''
    const piece = delta.arguments ?? ''
    newest.arguments = appendText(newest.arguments, piece)
    return loopMessage(`A call of the tool ${newest.name}`, newest.repetition(piece))
  }

  function count(): string | undefined {
    const call = Bun.hash(`${newest.name} ${newest.arguments}`)
    const times = (timesOf.get(call) ?? 0) + 1
    timesOf.set(call, times)
    return times > maxEqualCalls
      ? `The model calls the tool ${newest.name} with the same arguments over and over (${times} times by now)`
      : undefined
  }
}

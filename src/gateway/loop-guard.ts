import { GatewayError } from '../core/errors.ts'
import type { Delta } from '../core/events.ts'
import type { Transform } from '../core/transform.ts'

/** A passage is long from here on: what repeats after more than this is not looked for. */
const longestPeriod = 2_048
/** Long enough to hold every period twice. */
const blockLength = 2 * longestPeriod

/** So often something comes by design now and then: rulers, rows of a table, padding. */
const leastRepeats = 50
/** Equal calls in one reply; agents do run a tool several times over, but not like this. */
const mostEqualCalls = 32

/**
 * Ends a reply that repeats itself without end in an error, `repetition_loop`.
 *
 * That is: the answer, the thinking or the arguments of one call have said the same passage of up to 2,048 characters
 * at least 50 times in a row and over `limit` characters, or the same call with the same arguments came more than 32
 * times. One differing character breaks a row: tables, rulers and lists are no loops. A `limit` of 0 looks for nothing.
 */
export function loopGuard(limit: number): Transform<Delta, Delta> {
  const text = repetitions(limit)
  const reasoning = repetitions(limit)
  let calls: ReturnType<typeof equalCalls> | undefined
  let over = false
  return {
    push(delta, out) {
      if (over) return
      const looped = limit === 0 ? undefined : inspect(delta)
      over = looped !== undefined
      out.push(looped === undefined ? delta : { type: 'error', error: loopError(looped) })
    },
    end() {},
    passthrough: () => !over,
  }

  function inspect(delta: Delta): string | undefined {
    switch (delta.type) {
      case 'text':
        return loopMessage('The answer', text(delta.text))
      case 'reasoning':
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

interface Repetition {
  period: number
  length: number
}

/** Without the passage itself: messages are logged, replies are not. */
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
 * Hears a text piece by piece and tells once the end of it repeats for long enough.
 *
 * The text is searched for a period block by block; with one found, every further character is held against the one a
 * period before it. Either way a character costs a constant, and memory is one block. A repetition is noticed from the
 * first whole block of it, so it may be up to two blocks longer than told.
 */
function repetitions(limit: number): (text: string) => Repetition | undefined {
  // Of a text that repeats nothing, as far as known: what was not searched yet.
  let block = ''
  // What it repeats over and over otherwise, and how many characters of it there are by now.
  let passage = ''
  let length = 0

  return (text) => {
    for (let rest = text; rest !== ''; ) {
      rest = passage === '' ? search(rest) : compare(rest)
      if (passage !== '' && length >= enough()) return { period: passage.length, length }
    }
    return undefined
  }

  function enough(): number {
    return Math.max(limit, leastRepeats * passage.length)
  }

  /** Both return what is left of the text. */
  function search(text: string): string {
    const missing = blockLength - block.length
    block += text.length > missing ? text.slice(0, missing) : text
    if (block.length < blockLength) return ''
    const period = smallestPeriod(block)
    passage = period > longestPeriod ? '' : block.slice(-period)
    length = blockLength
    block = ''
    return text.slice(missing)
  }

  function compare(text: string): string {
    let at = 0
    for (const goal = enough(); at < text.length && length < goal; at++) {
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

/** By the prefix function of Knuth, Morris and Pratt, unless a look at the end shows that there is none. */
function smallestPeriod(block: string): number {
  const probeAt = blockLength - probeLength
  if (block.lastIndexOf(block.slice(probeAt), probeAt - 1) < probeAt - longestPeriod) return blockLength
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

/** Hears the pieces of calls; a call is whole when the next one begins. */
function equalCalls(limit: number): (delta: Extract<Delta, { type: 'tool-call' }>) => string | undefined {
  const keys = new Set<string>()
  const timesOf = new Map<number | bigint, number>()
  let newest = { key: '', name: '', arguments: '', repetition: repetitions(limit) }

  return (delta) => {
    if (delta.key !== newest.key || keys.size === 0) {
      // A piece for a call that is not the newest: such calls came side by side and are not watched.
      if (keys.has(delta.key)) return undefined
      const repeated = keys.size > 0 ? count() : undefined
      if (repeated !== undefined) return repeated
      keys.add(delta.key)
      newest = { key: delta.key, name: '', arguments: '', repetition: repetitions(limit) }
    }
    newest.name ||= delta.name ?? ''
    const piece = delta.arguments ?? ''
    newest.arguments += piece
    return loopMessage(`A call of the tool ${newest.name}`, newest.repetition(piece))
  }

  function count(): string | undefined {
    const call = Bun.hash(`${newest.name} ${newest.arguments}`)
    const times = (timesOf.get(call) ?? 0) + 1
    timesOf.set(call, times)
    return times > mostEqualCalls
      ? `The model calls the tool ${newest.name} with the same arguments over and over (${times} times by now)`
      : undefined
  }
}

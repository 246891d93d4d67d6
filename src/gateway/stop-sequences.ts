import { invalidField } from '../core/errors.ts'
import type { Delta } from '../core/events.ts'
import type { ChatRequest } from '../core/request.ts'
import type { Transform } from '../core/transform.ts'

/**
 * The most characters of all sequences together. They are limited because each chunk of the answer is searched for each
 * sequence.
 */
const maxCharacters = 4_000

/** Refuses stop sequences that would take too long to search for. Errors: `invalid-request`. */
export function rejectLongStop({ sampling: { stop = [] } }: ChatRequest): void {
  const characters = stop.reduce((sum, sequence) => sum + sequence.length, 0)
  if (characters <= maxCharacters) return
  throw invalidField(
    'stop',
    `the sequences have ${characters} characters in all; at most ${maxCharacters} are looked for. Send fewer or shorter ones.`,
    { code: 'stop_too_long' },
  )
}

/**
 * Ends the answer before the first stop sequence, as the official APIs do. The sequence itself is not sent. Only text
 * that may be the beginning of a sequence is held back.
 */
export function stopAt(sequences: readonly string[]): Transform<Delta, Delta> {
  let held = ''
  let stopped = false
  return {
    push(delta, out) {
      if (stopped) return
      if (delta.type !== 'text') {
        if (delta.type === 'finish' || delta.type === 'tool-call' || delta.type === 'error') release(out)
        out.push(delta)
        return
      }
      const text = held + delta.text
      const hit = firstHit(text, sequences)
      if (hit) {
        stopped = true
        if (hit.at > 0) out.push({ type: 'text', text: text.slice(0, hit.at) })
        out.push({ type: 'finish', reason: 'stop-sequence', stopSequence: hit.sequence })
        return
      }
      const keep = partialMatchLength(text, sequences)
      held = text.slice(text.length - keep)
      if (keep < text.length) out.push({ type: 'text', text: text.slice(0, text.length - keep) })
    },
    end(out) {
      if (!stopped) release(out)
    },
    passthrough: (kind) => kind === 'reasoning' && !stopped,
  }

  function release(out: Delta[]): void {
    if (held !== '') out.push({ type: 'text', text: held })
    held = ''
  }
}

/**
 * The sequence that ends first, as it would in a text that is written character by character. Of two with the same end,
 * the longer one.
 */
function firstHit(text: string, sequences: readonly string[]): { at: number; sequence: string } | undefined {
  let hit: { at: number; sequence: string } | undefined
  let end = Number.POSITIVE_INFINITY
  for (const sequence of sequences) {
    const at = text.indexOf(sequence)
    if (at < 0 || at + sequence.length > end || (at + sequence.length === end && hit && hit.at <= at)) continue
    hit = { at, sequence }
    end = at + sequence.length
  }
  return hit
}

/** The length of the longest end of `text` that is the beginning of a sequence. */
function partialMatchLength(text: string, sequences: readonly string[]): number {
  let longest = 0
  for (const sequence of sequences)
    for (let length = Math.min(sequence.length - 1, text.length); length > longest; length--)
      if (text.endsWith(sequence.slice(0, length))) longest = length
  return longest
}

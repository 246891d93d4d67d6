import { type BatchStream, readBatch } from '../core/batch-stream.ts'
import { GatewayError } from '../core/errors.ts'
import { type Delta, isFinal } from '../core/events.ts'
import { ReasoningOnlyError } from '../core/reasoning-only-error.ts'
import type { OpenedReply } from '../core/upstream.ts'

export interface FirstDeltaOptions {
  /** Who answers, in errors: `Z.AI`. */
  label: string
  /** All of the reply decides what becomes of it. */
  toTheEnd?: boolean
}

/**
 * Reads until there is something to tell, or to the end of the reply where `toTheEnd`.
 *
 * Errors: the reply's own when that is the first thing it tells, other than that it held reasoning alone: whoever asked
 * may ask again. `upstream-truncated` when it tells nothing.
 */
export async function awaitFirstDelta(
  source: BatchStream<Delta[]>,
  { label, toTheEnd = false }: FirstDeltaOptions,
): Promise<OpenedReply> {
  const first: Delta[] = []
  for (;;) {
    const batch = await readBatch(source)
    if (batch !== undefined) first.push(...batch)
    const telling = first.find(isTelling)
    if (telling === undefined && batch !== undefined) continue
    if (telling === undefined || (telling.type === 'error' && !(telling.error instanceof ReasoningOnlyError))) {
      source.cancel()
      throw telling?.error ?? closedUnanswered(label)
    }
    if (!toTheEnd || batch === undefined || first.some(isFinal)) return { first, rest: source }
  }
}

function isTelling(delta: Delta): boolean {
  switch (delta.type) {
    case 'text':
    case 'reasoning':
      return delta.text.trim() !== ''
    case 'tool-call':
    case 'finish':
    case 'error':
      return true
    case 'server-tool':
    case 'usage':
      return false
    default:
      return delta satisfies never
  }
}

function closedUnanswered(label: string): GatewayError {
  return new GatewayError('upstream-truncated', `${label} closed the stream without an answer. Try again.`)
}

import { readBatch } from '../../core/batch-stream.ts'
import type { Delta } from '../../core/events.ts'
import type { ToolChoice } from '../../core/request.ts'
import type { OpenedReply } from '../../core/upstream.ts'

/** The beginning of a reply that was searched for a tool call. */
export interface FirstCallSearch extends OpenedReply {
  /** The reply has ended without such a call. */
  lacksCall: boolean
}

/** Characters of a stream to wait for the call: a model that writes more without a call will not make one. */
const maxHeldCharacters = 4_000

/**
 * Reads until the call that `choice` requires begins, the reply ends, or more than `maxHeldCharacters` of a stream are held.
 * Nothing has reached the client until then, so the request can be sent again after a reply without the call.
 */
export async function awaitToolCall(
  { first, rest }: OpenedReply,
  choice: ToolChoice,
  { whole }: { whole: boolean },
): Promise<FirstCallSearch> {
  const all: Delta[] = []
  let held = 0
  let batch: Delta[] | undefined = first
  while (batch !== undefined) {
    all.push(...batch)
    if (batch.some((delta) => isCall(delta, choice) || delta.type === 'error')) break
    if (batch.some(({ type }) => type === 'finish')) return { first: all, rest, lacksCall: true }
    for (const delta of batch) if ('text' in delta) held += delta.text.length
    if (!whole && held > maxHeldCharacters) break
    batch = await readBatch(rest)
  }
  return { first: all, rest, lacksCall: batch === undefined }
}

function isCall(delta: Delta, choice: ToolChoice): boolean {
  return delta.type === 'tool-call' && (typeof choice !== 'object' || delta.name === choice.name)
}

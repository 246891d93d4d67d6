import { readBatch } from '../../core/batch-stream.ts'
import type { Delta } from '../../core/events.ts'
import type { ToolChoice } from '../../core/request.ts'
import type { OpenedReply } from '../../core/upstream.ts'

/** A beginning in which a tool call was looked for. */
export interface FirstCallSearch extends OpenedReply {
  /** The reply is over and holds no such call. */
  lacksCall: boolean
}

/** Characters of a stream that wait for the call; whoever writes more without one will not write one. */
const longestWait = 4_000

/**
 * Reads on until the call that `choice` demands begins, the reply ends, or too much of a stream waits. As long as
 * nothing of it has been shown, a reply without the call can be asked for again.
 */
export async function awaitToolCall(
  { first, rest }: OpenedReply,
  choice: ToolChoice,
  { whole }: { whole: boolean },
): Promise<FirstCallSearch> {
  const all: Delta[] = []
  let waiting = 0
  let batch: Delta[] | undefined = first
  while (batch !== undefined) {
    all.push(...batch)
    if (batch.some((delta) => isCall(delta, choice) || delta.type === 'error')) break
    if (batch.some(({ type }) => type === 'finish')) return { first: all, rest, lacksCall: true }
    for (const delta of batch) if ('text' in delta) waiting += delta.text.length
    if (!whole && waiting > longestWait) break
    batch = await readBatch(rest)
  }
  return { first: all, rest, lacksCall: batch === undefined }
}

function isCall(delta: Delta, choice: ToolChoice): boolean {
  return delta.type === 'tool-call' && (typeof choice !== 'object' || delta.name === choice.name)
}

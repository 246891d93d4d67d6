import { type BatchStream, readBatch } from '../core/batch-stream.ts'
import { GatewayError } from '../core/errors.ts'
import type { Delta } from '../core/events.ts'
import { ReasoningOnlyError } from '../core/reasoning-only-error.ts'
import type { OpenedReply } from '../core/upstream.ts'

export interface FirstDeltaOptions {
  /** Name of the upstream, for errors: `Z.AI`. */
  label: string
}

/**
 * Reads until the first delta with content.
 *
 * Errors: an error that comes before any content, except `ReasoningOnlyError`, which the caller may answer with another
 * call; `upstream-truncated` if the reply ends without content.
 */
export async function awaitFirstDelta(
  source: BatchStream<Delta[]>,
  { label }: FirstDeltaOptions,
): Promise<OpenedReply> {
  const first: Delta[] = []
  let firstContent: Delta | undefined
  for (;;) {
    const batch = await readBatch(source)
    // Each delta is read once: a whole reply may come in thousands of batches.
    for (const delta of batch ?? []) {
      first.push(delta)
      firstContent ??= hasContent(delta) ? delta : undefined
    }
    if (firstContent === undefined && batch !== undefined) continue
    if (
      firstContent === undefined ||
      (firstContent.type === 'error' && !(firstContent.error instanceof ReasoningOnlyError))
    ) {
      source.cancel()
      throw firstContent?.error ?? closedUnanswered(label)
    }
    return { first, rest: source }
  }
}

function hasContent(delta: Delta): boolean {
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

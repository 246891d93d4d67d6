import { type BatchStream, fromAsync, readBatch } from '../../core/batch-stream.ts'
import { type Delta, isFinal, type Usage } from '../../core/events.ts'
import type { ChatRequest, OutputFormat } from '../../core/request.ts'
import type { Attempt } from '../attempt.ts'
import { repairRequest } from './repair-request.ts'
import { structuredReply } from './structured-reply.ts'
import type { Validate } from './validation.ts'

export interface JsonReplyOptions {
  request: ChatRequest
  output: Extract<OutputFormat, { type: 'json' }>
  attempt: (request: ChatRequest) => Promise<Attempt>
  validate: Validate
  signal: AbortSignal
  annotate: (note: string) => void
}

/** The reply to a request for JSON, checked against its schema and corrected once if necessary. */
export function jsonReply(first: Attempt, options: JsonReplyOptions): BatchStream<Delta[]> {
  const { request, output, attempt, validate, signal, annotate } = options
  return structuredReply(withRules(first), {
    async validateText(text) {
      const schema = output.schema && JSON.stringify(output.schema)
      const { verdict, unchecked } = await validate({ type: 'answer', text, schema }, signal)
      if (unchecked !== undefined) annotate(`schema not checked: ${unchecked}`)
      return verdict
    },
    async again(answer, violations) {
      const second = await attempt(repairRequest(request, answer, violations))
      return { deltas: withRules(second), estimate: estimateOf(second) }
    },
    estimate: estimateOf(first),
    annotate,
  })
}

/** The deltas of a reply with the gateway's rules applied. */
function withRules({ first, rest, rules }: Attempt): BatchStream<Delta[]> {
  let unread: Delta[] | undefined = first
  let over = false
  const cancel = () => {
    over = true
    rest.cancel()
  }
  return fromAsync<Delta>(async () => {
    while (!over) {
      const batch = unread ?? (await readBatch(rest))
      unread = undefined
      const out: Delta[] = []
      if (batch === undefined) rules.end(out)
      else for (const delta of batch) rules.push(delta, out)
      if (batch === undefined || out.some(isFinal)) cancel()
      if (out.length > 0) return out
    }
    return undefined
  }, cancel)
}

function estimateOf({ measurement }: Attempt): (text: string) => Usage {
  return (text) => ({ inputTokens: measurement.inputTokens, outputTokens: measurement.countText(text) })
}

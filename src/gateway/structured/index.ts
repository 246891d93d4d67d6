import type { Delta, Usage } from '../../core/events.ts'
import type { ChatRequest, OutputFormat } from '../../core/request.ts'
import type { Source } from '../../core/source.ts'
import type { Asked } from '../ask.ts'
import { anyObject, judge } from './judge.ts'
import { repairRequest } from './repair.ts'
import { type Checker, checkerOf } from './schema.ts'
import { structured } from './source.ts'

export interface JsonReplyOptions {
  request: ChatRequest
  output: Extract<OutputFormat, { type: 'json' }>
  ask: (request: ChatRequest) => Promise<Asked>
  note: (note: string) => void
}

/** The reply to a request for JSON, kept to its schema. */
export function jsonReply(first: Asked, { request, output, ask, note }: JsonReplyOptions): Source<Delta[]> {
  let checker: Promise<Checker> | undefined
  return structured(first.deltas, {
    async judge(answer) {
      checker ??= checkerFor(output)
      return judge(answer, output, await checker)
    },
    async again(answer, violations) {
      const second = await ask(repairRequest(request, answer, violations))
      return { deltas: second.deltas, estimate: estimateOf(second) }
    },
    estimate: estimateOf(first),
    note,
  })

  async function checkerFor({ schema }: typeof output): Promise<Checker> {
    if (schema === undefined) return anyObject
    const made = await checkerOf(schema)
    if (!(made instanceof Error)) return made
    note(`schema not checked: ${made.message}`)
    return () => []
  }
}

function estimateOf({ measured }: Asked): (said: string) => Usage {
  return (said) => ({ inputTokens: measured.inputTokens, outputTokens: measured.countText(said) })
}

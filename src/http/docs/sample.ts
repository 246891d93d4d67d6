import type { Dialect, ReplyHead } from '../../core/dialect.ts'
import type { Reply, StreamEvent } from '../../core/events.ts'

/** A short call of a dialect, for examples that are its own translators' words and so cannot go stale. */
export interface Sample {
  /** A body that every upstream answers. */
  question: object
  options: unknown
  head: ReplyHead
}

const model = 'GLM-4.5'
const words = 'Say hello in one word.'

/** Dialects call the conversation either `messages`, `input` or `prompt`. */
const questions = [
  { field: 'messages', question: { model, max_tokens: 1024, messages: [{ role: 'user', content: words }] } },
  { field: 'input', question: { model, input: words } },
  { field: 'prompt', question: { model, prompt: words } },
]

export function sampleOf(dialect: Dialect): Sample {
  const question = questions.find(({ field }) => field in dialect.body.properties)?.question ?? {}
  const { options } = dialect.decode(question, { headers: new Headers(), params: {} })
  const id = `${dialect.ids.reply}${sampleId}`
  const createdAtSeconds = Date.parse('2026-01-01T00:00:00Z') / 1000
  return {
    question,
    options,
    head: { id, model, createdAtSeconds, completedAtSeconds: () => createdAtSeconds, reasoningByName: false },
  }
}

/** What follows the prefix of an id. */
export const sampleId = 'u5YkQ2h0aV9sR3bXw7TnE1dK'

const usage = { inputTokens: 10, outputTokens: 2 }

export const sampleReply: Reply = { blocks: [{ type: 'text', text: 'Hello!' }], reason: 'stop', usage }

/** The same as a stream. */
export const sampleEvents: StreamEvent[] = [
  { type: 'message-start', inputTokens: usage.inputTokens },
  { type: 'text-start', index: 0 },
  { type: 'text-delta', index: 0, text: 'Hello' },
  { type: 'text-delta', index: 0, text: '!' },
  { type: 'text-end', index: 0, text: 'Hello!' },
  { type: 'message-end', reason: 'stop', usage },
]

/** With all that a reply can hold besides text. */
export const sampleReplies: Reply[] = [
  sampleReply,
  { ...sampleReply, blocks: [{ type: 'reasoning', text: 'A word will do.' }, ...sampleReply.blocks] },
  {
    ...sampleReply,
    blocks: [{ type: 'tool-call', id: 'call_1', name: 'greet', arguments: '{}' }],
    reason: 'tool-calls',
  },
  { ...sampleReply, reason: 'stop-sequence', stopSequence: '.' },
]

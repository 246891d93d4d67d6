import { defaultModel } from '../../core/default-models.ts'
import type { Dialect } from '../../core/dialect.ts'
import type { DialectRoute } from '../../core/dialect-route.ts'
import type { Reply, StreamEvent } from '../../core/events.ts'
import type { ReplyHead } from '../../core/reply-encoder.ts'

/**
 * A short call in a dialect. The examples are made by the dialect's own decoder and encoder, so they are never out of
 * date.
 */
export interface Sample {
  /** A body that every upstream can answer. */
  question: object
  params: Readonly<Record<string, string>>
  options: unknown
  head: ReplyHead
  /** How the route can reply; without a choice, its path or the API decides. */
  ways: { whole: boolean; streamed: boolean }
}

const text = 'Say hello in one word.'

/** On one of the routes for replies; without `route`, on the first. */
export function sampleOf(dialect: Dialect, route = dialect.routes.find(({ serves }) => serves === 'reply')): Sample {
  const { body, params = {} } = dialect.example({ model: defaultModel, text })
  const context = { headers: new Headers(), params, query: queryOf(route), path: route?.path ?? '' }
  const { options, stream } = dialect.decode(body, context)
  const id = `${dialect.ids.reply}${sampleId}`
  const createdAtSeconds = Date.parse('2026-01-01T00:00:00Z') / 1000
  return {
    question: body,
    params,
    options,
    head: {
      id,
      model: defaultModel,
      createdAtSeconds,
      completedAtSeconds: () => createdAtSeconds,
      reasoningByName: false,
    },
    ways: { whole: !stream, streamed: dialect.decode({ ...body, stream: true }, context).stream },
  }
}

function queryOf(route: DialectRoute | undefined): Record<string, string> {
  const parameters = route?.serves === 'reply' ? (route.query ?? []) : []
  return Object.fromEntries(parameters.map(({ name, example }) => [name, example]))
}

/** The part of an id after its prefix. */
export const sampleId = 'u5YkQ2h0aV9sR3bXw7TnE1dK'

const usage = { inputTokens: 10, outputTokens: 2 }

export const sampleReply: Reply = { blocks: [{ type: 'text', text: 'Hello!' }], reason: 'stop', usage }

/** The same reply as a stream. */
export const sampleEvents: StreamEvent[] = [
  { type: 'message-start', inputTokens: usage.inputTokens },
  { type: 'text-start', index: 0 },
  { type: 'text-delta', index: 0, text: 'Hello' },
  { type: 'text-delta', index: 0, text: '!' },
  { type: 'text-end', index: 0, text: 'Hello!' },
  { type: 'message-end', reason: 'stop', usage },
]

/** The same reply with everything that a reply can hold besides text. */
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

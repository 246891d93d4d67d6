import { collector } from '../../src/core/collect.ts'
import type { GatewayError } from '../../src/core/errors.ts'
import type { Delta, FinishReason, Reply, StreamEvent } from '../../src/core/events.ts'
import type { ReplyHead } from '../../src/core/reply-encoder.ts'
import { streamNormaliser } from '../../src/core/stream-normaliser.ts'
import { runTransform } from '../../src/core/transform.ts'

export const head: ReplyHead = {
  id: 'msg_1',
  model: 'glm-5',
  createdAtSeconds: 1_800_000_000,
  completedAtSeconds: () => 1_800_000_007,
  reasoningByName: false,
}

export const think = (text: string): Delta => ({ type: 'reasoning', text })
export const say = (text: string): Delta => ({ type: 'text', text })
export const call = (key: string, name: string, ...pieces: string[]): Delta[] => [
  { type: 'tool-call', key, id: `id_${key}`, name },
  ...pieces.map((piece): Delta => ({ type: 'tool-call', key, arguments: piece })),
]
export const usage: Delta = {
  type: 'usage',
  usage: { inputTokens: 30, outputTokens: 12, cachedInputTokens: 10, reasoningTokens: 5 },
}
export const finish = (reason: FinishReason = 'stop', stopSequence?: string): Delta => ({
  type: 'finish',
  reason,
  ...(stopSequence === undefined ? {} : { stopSequence }),
})
export const fail = (error: GatewayError): Delta => ({ type: 'error', error })

/** Reasoning, text and two calls, for the packages of the vendors to put together. */
export const turn = [
  think('Two '),
  think('towns.'),
  say('Looking.'),
  ...call('a', 'weather', '{"city":', '"A"}'),
  ...call('b', 'weather', '{"city":"B"}'),
  usage,
  finish(),
]

/** The events dialects really get: what the grammar makes of `deltas`. */
export function events(...deltas: Delta[]): StreamEvent[] {
  let id = 0
  const options = { newToolCallId: () => `new_${++id}`, inputTokens: 25, countTokens: (text: string) => text.length }
  return runTransform(streamNormaliser(options), deltas)
}

export function reply(...deltas: Delta[]): Reply {
  const whole = collector()
  for (const event of events(...deltas)) whole.push(event)
  const result = whole.result()
  if (!result || !('blocks' in result)) throw new Error('the stream did not end well')
  return result
}

/** A `fetch` for the official SDKs that answers every request with `text` as an event stream, one event a chunk. */
export function answering(messages: string[]): typeof fetch {
  const answer = async () => {
    const encoder = new TextEncoder()
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const message of messages) controller.enqueue(encoder.encode(message))
        controller.close()
      },
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }
  return Object.assign(answer, { preconnect: fetch.preconnect })
}

/** The same, with a whole reply. */
export function answeringJson(status: number, body: object): typeof fetch {
  const answer = async () => Response.json(body, { status, headers: { 'x-should-retry': 'false' } })
  return Object.assign(answer, { preconnect: fetch.preconnect })
}

/** What `attempt` throws; `undefined` when it does not. */
export function thrownBy(attempt: () => unknown): unknown {
  try {
    attempt()
  } catch (thrown) {
    return thrown
  }
  return undefined
}

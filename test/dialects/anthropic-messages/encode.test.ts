import { describe, expect, test } from 'bun:test'
import type Anthropic from '@anthropic-ai/sdk'
import { encodeEchoed } from '../../../src/core/echoed-text.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import type { Delta, FinishReason } from '../../../src/core/events.ts'
import type { AssistantPart } from '../../../src/core/request.ts'
import { runTransform } from '../../../src/core/transform.ts'
import type { MessagesOptions } from '../../../src/dialects/anthropic-messages/encode.ts'
import { anthropicMessages } from '../../../src/dialects/anthropic-messages/index.ts'
import { requestContext } from '../../support/request-context.ts'
import { call, events, fail, finish, head, reply, say, think, usage } from '../stream.ts'

const signature = encodeEchoed('msg_1')
/** Reasoning that is not shown travels in it. */
const signatureWith = (reasoning: string) => encodeEchoed(`msg_1\n${reasoning}`)
type StopReason = Anthropic.StopReason
type DeltaUsage = Anthropic.Beta.BetaMessageDeltaUsage

// Whole values have the types of the SDK: what it requires is not forgotten.
const shown: MessagesOptions = { thinking: 'shown' }
const hidden: MessagesOptions = { thinking: 'hidden' }
const omitted: MessagesOptions = { thinking: 'omitted' }

const event = (type: string, rest: object = {}) => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`
const start = (index: number, content_block: object) => event('content_block_start', { index, content_block })
const delta = (index: number, delta: object) => event('content_block_delta', { index, delta })
const stop = (index: number) => event('content_block_stop', { index })
const refusal: Anthropic.Beta.BetaRefusalStopDetails = {
  type: 'refusal',
  category: null,
  explanation: null,
  fallback_credit_token: null,
  fallback_has_prefill_claim: null,
  recommended_model: null,
}
const end = (stop_reason: StopReason, counts: object, stop_sequence: string | null = null) => {
  const delta: Anthropic.Beta.BetaRawMessageDeltaEvent.Delta = {
    container: null,
    stop_reason,
    stop_sequence,
    stop_details: stop_reason === 'refusal' ? refusal : null,
  }
  return [event('message_delta', { delta, usage: counts, context_management: null }), event('message_stop')]
}
const counts = (input: number, cached: number, output: number, thinking?: number): DeltaUsage => ({
  input_tokens: input,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: cached,
  output_tokens: output,
  output_tokens_details: thinking === undefined ? null : { thinking_tokens: thinking },
  server_tool_use: null,
  iterations: null,
  fallback_credit: null,
})
const allCounts = (usage: DeltaUsage, input_tokens: number): Anthropic.Beta.BetaUsage => ({
  ...usage,
  input_tokens,
  cache_creation: { ephemeral_1h_input_tokens: 0, ephemeral_5m_input_tokens: 0 },
  inference_geo: null,
  service_tier: 'standard',
  speed: 'standard',
})
const toolUse = (id: string, name: string, input: unknown): Anthropic.ToolUseBlock => ({
  type: 'tool_use',
  id,
  name,
  input,
  caller: { type: 'direct' },
})
const opening = [
  event('message_start', {
    message: {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'glm-5',
      content: [],
      stop_reason: null,
      stop_sequence: null,
      stop_details: null,
      container: null,
      context_management: null,
      diagnostics: null,
      usage: allCounts(counts(25, 0, 1), 25),
    } satisfies Anthropic.Beta.BetaMessage,
  }),
  event('ping'),
]

const stream = (deltas: Delta[], options = shown) =>
  runTransform(anthropicMessages.encoder(head, options), events(...deltas))

describe('encoder', () => {
  test.each<[string, Delta[], MessagesOptions, string[]]>([
    [
      'opens and closes a block around its deltas',
      [say('Hel'), say('lo "x"'), usage, finish()],
      shown,
      [
        start(0, { type: 'text', text: '', citations: null }),
        delta(0, { type: 'text_delta', text: 'Hel' }),
        delta(0, { type: 'text_delta', text: 'lo "x"' }),
        stop(0),
        // Anthropic's input_tokens are without the cached ones.
        ...end('end_turn', counts(20, 10, 12, 5)),
      ],
    ],
    [
      'signs thinking right before its block stops',
      [think('Hm'), say('a'), usage, finish()],
      shown,
      [
        start(0, { type: 'thinking', thinking: '', signature: '' }),
        delta(0, { type: 'thinking_delta', thinking: 'Hm' }),
        delta(0, { type: 'signature_delta', signature }),
        stop(0),
        start(1, { type: 'text', text: '', citations: null }),
        delta(1, { type: 'text_delta', text: 'a' }),
        stop(1),
        ...end('end_turn', counts(20, 10, 12, 5)),
      ],
    ],
    [
      'leaves the text of omitted thinking out of its block',
      [think('Hm'), think('m'), say('a'), usage, finish()],
      omitted,
      [
        start(0, { type: 'thinking', thinking: '', signature: '' }),
        delta(0, { type: 'signature_delta', signature: signatureWith('Hmm') }),
        stop(0),
        start(1, { type: 'text', text: '', citations: null }),
        delta(1, { type: 'text_delta', text: 'a' }),
        stop(1),
        ...end('end_turn', counts(20, 10, 12, 5)),
      ],
    ],
    [
      'gives hidden thinking no index',
      [think('Hm'), say('a'), usage, finish()],
      hidden,
      [
        start(0, { type: 'text', text: '', citations: null }),
        delta(0, { type: 'text_delta', text: 'a' }),
        stop(0),
        ...end('end_turn', counts(20, 10, 12, 5)),
      ],
    ],
    [
      'carries tool input as pieces of JSON text',
      [...call('x', 'f', '{"a":', '1}'), ...call('y', 'g'), usage, finish()],
      shown,
      [
        start(0, toolUse('id_x', 'f', {})),
        delta(0, { type: 'input_json_delta', partial_json: '{"a":' }),
        delta(0, { type: 'input_json_delta', partial_json: '1}' }),
        stop(0),
        start(1, toolUse('id_y', 'g', {})),
        delta(1, { type: 'input_json_delta', partial_json: '{}' }),
        stop(1),
        ...end('tool_use', counts(20, 10, 12, 5)),
      ],
    ],
    ['ends an empty answer like any other', [usage, finish()], shown, end('end_turn', counts(20, 10, 12, 5))],
    [
      'names the stop sequence',
      [usage, finish('stop-sequence', 'END')],
      shown,
      end('stop_sequence', counts(20, 10, 12, 5), 'END'),
    ],
  ])('%s', (_name, deltas, options, expected) => {
    expect(stream(deltas, options)).toEqual([...opening, ...expected])
  })

  test('counts omitted reasoning for clients that ask for it', () => {
    const deltas = [think('x'.repeat(150)), think('x'.repeat(450)), think('x'), say('a'), usage, finish()]
    const step = (estimated_tokens: number) => delta(0, { type: 'thinking_delta', thinking: '', estimated_tokens })
    const asked = stream(deltas, { ...omitted, countsHiddenReasoning: true })
    expect(asked.slice(2, 6)).toEqual([
      start(0, { type: 'thinking', thinking: '', signature: '' }),
      step(150),
      delta(0, { type: 'signature_delta', signature: signatureWith('x'.repeat(601)) }),
      stop(0),
    ])
    expect(stream(deltas, omitted)).toEqual(asked.filter((told) => told !== step(150)))
  })

  test('counts no reasoning that is shown', () => {
    expect(stream([think('Hm'), finish()], { ...shown, countsHiddenReasoning: true })[3]).toBe(
      delta(0, { type: 'thinking_delta', thinking: 'Hm', estimated_tokens: null }),
    )
  })

  test('shows reasoning to clients that asked for it by the model name', () => {
    const encoder = anthropicMessages.encoder({ ...head, reasoningByName: true }, hidden)
    expect(runTransform(encoder, events(think('Hm'), finish()))[2]).toBe(
      start(0, { type: 'thinking', thinking: '', signature: '' }),
    )
  })

  test('breaks off with an error event and nothing behind it', () => {
    const error = new GatewayError('upstream-truncated', 'Cut off.')
    expect(stream([say('a'), fail(error)])).toEqual([
      ...opening,
      start(0, { type: 'text', text: '', citations: null }),
      delta(0, { type: 'text_delta', text: 'a' }),
      event('error', { error: { type: 'api_error', message: 'Cut off.' }, request_id: null }),
    ])
  })

  test.each<[FinishReason, StopReason]>([
    ['stop', 'end_turn'],
    ['length', 'max_tokens'],
    ['context-window', 'model_context_window_exceeded'],
    ['content-filter', 'refusal'],
  ])('stops for %s as %s', (reason, expected) => {
    expect(stream([usage, finish(reason)]).slice(2)).toEqual(end(expected, counts(20, 10, 12, 5)))
  })
})

describe('encodeReply', () => {
  const whole = (deltas: Delta[], options = shown) => anthropicMessages.encodeReply(head, reply(...deltas), options)

  test('is one message with everything the stream would have said', () => {
    expect(whole([think('Hm'), say('So.'), ...call('x', 'f', '{"a":1}'), usage, finish()])).toEqual({
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'glm-5',
      content: [
        { type: 'thinking', thinking: 'Hm', signature },
        { type: 'text', text: 'So.', citations: null },
        toolUse('id_x', 'f', { a: 1 }),
      ],
      stop_reason: 'tool_use',
      stop_sequence: null,
      stop_details: null,
      container: null,
      context_management: null,
      diagnostics: null,
      usage: allCounts(counts(20, 10, 12, 5), 20),
    } satisfies Anthropic.Beta.BetaMessage & Anthropic.Message)
  })

  test.each<[string, Delta[], MessagesOptions, object]>([
    [
      'omitted thinking is a block without its text',
      [think('Hm'), say('a'), finish()],
      omitted,
      {
        content: [
          { type: 'thinking', thinking: '', signature: signatureWith('Hm') },
          { type: 'text', text: 'a' },
        ],
      },
    ],
    ['a refusal says so twice', [finish('content-filter')], shown, { stop_reason: 'refusal', stop_details: refusal }],
    [
      'hidden thinking is left out',
      [think('Hm'), say('a'), finish()],
      hidden,
      { content: [{ type: 'text', text: 'a' }] },
    ],
    ['an empty answer has no blocks', [finish()], shown, { content: [], stop_reason: 'end_turn' }],
    [
      'a call cut for length has an empty input and says why',
      [...call('x', 'f', '{"a":'), finish('length')],
      shown,
      { content: [{ type: 'tool_use', id: 'id_x', name: 'f', input: {} }], stop_reason: 'max_tokens' },
    ],
    ['the stop sequence is named', [say('a'), finish('stop-sequence', 'END')], shown, { stop_sequence: 'END' }],
  ])('%s', (_name, deltas, options, expected) => {
    expect(whole(deltas, options)).toMatchObject(expected)
  })
})

test('a thinking block is read as reasoning if the gateway signed it, and dropped if another model did', () => {
  const turn = (signature: string) => ({
    model: 'glm-5',
    messages: [
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'Hm', signature },
          { type: 'text', text: 'a' },
        ],
      },
    ],
  })
  const said: AssistantPart = { type: 'text', text: 'a' }
  const parts = (signature: string): AssistantPart[] =>
    anthropicMessages
      .decode(turn(signature), requestContext())
      .request.messages.flatMap((message) => (message.role === 'assistant' ? message.parts : []))
  expect(parts(signature)).toEqual([{ type: 'reasoning', text: 'Hm' }, said])
  expect(parts('c2lnbmF0dXJl')).toEqual([said])
})

import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../../src/core/errors.ts'
import type { FinishReason } from '../../../src/core/events.ts'
import { openaiResponses } from '../../../src/dialects/openai-responses/index.ts'
import { requestContext } from '../../support/request-context.ts'
import { call, fail, finish, reply, say, think, usage } from '../stream.ts'
import { everyTool, head, last, nothingUsed, optionsOf, plain, sealing, told } from './encoding.ts'

describe('the reply', () => {
  test('items are numbered in the order they come', () => {
    const deltas = [think('a'), say('b'), ...call('x', 'f', '{}'), ...call('y', 'f', '{}'), finish()]
    const done = told(deltas, everyTool).filter(({ type }) => type === 'response.output_item.done')
    expect(done.map(({ output_index }) => output_index)).toEqual([0, 1, 2, 3])
    expect(last(deltas, everyTool)).toMatchObject({
      response: { output: [{ id: 'rs_1_0' }, { id: 'msg_1_1' }, { id: 'fc_1_2' }, { id: 'fc_1_3' }] },
    })
  })

  test.each<[FinishReason, string, object]>([
    ['stop', 'completed', { incomplete_details: null }],
    ['stop-sequence', 'completed', { incomplete_details: null }],
    ['tool-calls', 'completed', { incomplete_details: null }],
    ['length', 'incomplete', { incomplete_details: { reason: 'max_output_tokens' } }],
    ['content-filter', 'incomplete', { incomplete_details: { reason: 'content_filter' } }],
  ])('%s ends in response.%s', (reason, status, fields) => {
    expect(last([say('a'), finish(reason)])).toMatchObject({
      type: `response.${status}`,
      response: { status, error: null, output: [{ status }], ...fields },
    })
  })

  test('only the item a reply was cut in is incomplete', () => {
    const done = told([say('a'), ...call('x', 'f', '{"a'), finish('length')]).filter(
      ({ type }) => type === 'response.output_item.done',
    )
    expect(done).toMatchObject([
      { item: { status: 'completed' } },
      { item: { status: 'incomplete', arguments: '{"a' } },
    ])
  })

  test('a freeform call that was cut keeps what it said', () => {
    expect(last([...call('x', 'patch', '{"input":"a\\nb'), finish('length')], everyTool)).toMatchObject({
      response: { output: [{ type: 'custom_tool_call', input: 'a\nb', status: 'incomplete' }] },
    })
  })

  test('counts the usage, and what of it was cached or reasoning', () => {
    expect(last([say('a'), usage, finish()])).toMatchObject({
      response: {
        usage: {
          input_tokens: 30,
          input_tokens_details: { cached_tokens: 10, cache_write_tokens: 0 },
          output_tokens: 12,
          output_tokens_details: { reasoning_tokens: 5 },
          total_tokens: 42,
        },
      },
    })
  })

  test('fails with the code that makes clients stop or try again, and keeps what was whole', () => {
    expect(last([say('a'), think('b'), fail(new GatewayError('upstream-truncated', 'Cut off.'))])).toMatchObject({
      type: 'response.failed',
      response: {
        status: 'failed',
        error: { code: 'server_error', message: 'Cut off.' },
        output: [{ id: 'msg_1_0', status: 'completed' }],
        usage: nothingUsed,
        completed_at: null,
      },
    })
  })

  test('a failure before the first delta still begins with response.created', () => {
    const out: string[] = []
    openaiResponses.encoder(head, plain).push({ type: 'error', error: new GatewayError('timeout', 'Too late.') }, out)
    expect(out.map((text) => text.slice(0, text.indexOf('\n')))).toEqual([
      'event: response.created',
      'event: response.in_progress',
      'event: response.failed',
    ])
  })
})

test.each<[string, typeof plain, object]>([
  ['sealed', sealing, { summary: [] }],
  ['sealed, as content', optionsOf({ include: ['reasoning.encrypted_content'] }), { content: null }],
  ['as content', plain, { id: 'rs_of_another_server' }],
  ['as a summary', optionsOf({ reasoning: { summary: 'detailed' } }), {}],
])('reasoning survives the way to the client and back: %s', (_name, options, changes) => {
  const reasoning = 'Zwei Städte – 两个城市 🙂'
  const whole = openaiResponses.encodeReply(head, reply(think(reasoning), say('b'), finish()), options)
  const output = 'output' in whole && Array.isArray(whole.output) ? whole.output : []
  const [sealed] = output.map((item) => ({ ...item, ...changes }))
  const { request } = openaiResponses.decode({ model: 'glm-5', input: [sealed] }, requestContext())
  expect(request.messages).toEqual([{ role: 'assistant', parts: [{ type: 'reasoning', text: reasoning }] }])
})

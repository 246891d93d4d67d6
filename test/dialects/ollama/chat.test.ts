import { describe, expect, test } from 'bun:test'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { GatewayError } from '../../../src/core/errors.ts'
import { runTransform } from '../../../src/core/transform.ts'
import { ollamaChat } from '../../../src/dialects/ollama/index.ts'
import { requestContext } from '../../support/request-context.ts'
import { call, events, fail, finish, head, reply, say, think, thrownBy, usage } from '../stream.ts'

const door = TypeCompiler.Compile(ollamaChat.body)
const decode = (more: object) => {
  const body = { model: 'GLM-4.7', messages: [{ role: 'user', content: 'Hi' }], ...more }
  expect([...door.Errors(body)]).toEqual([])
  return ollamaChat.decode(body, requestContext())
}

describe('a request', () => {
  test.each([
    [undefined, true],
    [null, true],
    [true, true],
    [false, false],
  ])('with stream %p is streamed: %p', (stream, expected) => expect(decode({ stream }).stream).toBe(expected))

  test.each<[unknown, object]>([
    [undefined, { mode: 'default' }],
    [true, { mode: 'on' }],
    [false, { mode: 'off' }],
    ['low', { mode: 'on', effort: 'low' }],
    ['high', { mode: 'on', effort: 'high' }],
    ['max', { mode: 'on', effort: 'max' }],
  ])('that thinks %p', (value, expected) =>
    expect(decode({ think: value }).request.reasoning).toEqual(expected as never),
  )

  test.each<[unknown, object]>([
    ['', { type: 'text' }],
    ['json', { type: 'json' }],
    [
      { type: 'object', properties: {} },
      { type: 'json', schema: { type: 'object', properties: {} } },
    ],
  ])('for the format %j', (format, expected) => expect(decode({ format }).request.output).toEqual(expected as never))

  test('for another format is refused', () => {
    expect(thrownBy(() => decode({ format: 'yaml' }))).toMatchObject({ kind: 'invalid-request', param: 'format' })
  })

  test.each<[object, object]>([
    [
      { num_predict: 100.0, temperature: 0, top_p: 0.5, stop: 'END' },
      { maxTokens: 100, temperature: 0, topP: 0.5, stop: ['END'] },
    ],
    [{ num_predict: -1, stop: [] }, {}],
    [{ num_predict: -2, num_ctx: 4096, num_gpu: 1 }, {}],
  ])('with the options %j', (options, expected) => {
    const { sampling, ignored } = decode({ options }).request
    expect([sampling, ignored]).toEqual([expected, []])
  })

  test.each(['system', 'SYSTEM', 'developer'])('has rules from %s', (role) => {
    expect(decode({ messages: [{ role, content: 'Be brief.' }] }).request.messages).toEqual([
      { role: 'system', text: 'Be brief.' },
    ])
  })

  test.each([
    ['the id of its call', { tool_call_id: 'b' }, { tool_call_id: 'a' }, ['b', 'a']],
    ['its tool', { tool_name: 'time' }, { tool_name: 'weather' }, ['b', 'a']],
    ['a tool that was called twice', { tool_name: 'weather' }, { tool_name: 'weather' }, ['a', 'c']],
    ['an id that no call has', { tool_call_id: 'z' }, {}, ['z', '']],
    ['nothing', {}, {}, ['', '']],
  ])('with results that name %s', (_name, first, second, ids) => {
    const called = (id: string, name: string) => ({ id, function: { name, arguments: {} } })
    const { messages } = decode({
      messages: [
        {
          role: 'assistant',
          content: '',
          tool_calls: [called('a', 'weather'), called('b', 'time'), called('c', 'weather')],
        },
        { role: 'tool', content: '1', ...first },
        { role: 'tool', content: '2', ...second },
      ],
    }).request
    expect(messages.flatMap((message) => (message.role === 'tool' ? [message.callId] : []))).toEqual(ids)
  })

  test('has images as data, with a type or without', () => {
    const images = ['iVBORw0KGgo=', 'data:image/jpeg;base64,/9j/']
    const { messages } = decode({ messages: [{ role: 'user', content: 'See', images }] }).request
    expect(messages).toEqual([
      {
        role: 'user',
        parts: [
          { type: 'text', text: 'See' },
          { type: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'iVBORw0KGgo=' } },
          { type: 'image', source: { type: 'base64', mediaType: 'image/jpeg', data: '/9j/' } },
        ],
      },
    ])
  })

  test.each([
    [{}, 'load'],
    [{ keep_alive: '5m' }, 'load'],
    [{ keep_alive: -1 }, 'load'],
    [{ keep_alive: { toString: 0 } }, 'load'],
    [{ keep_alive: 0 }, 'unload'],
    [{ keep_alive: '0s' }, 'unload'],
  ])('without messages and with %j needs no model: %s', (more, reason) => {
    const { isEmpty, stream, options } = decode({ ...more, messages: [] })
    expect([isEmpty, stream]).toEqual([true, false])
    expect(ollamaChat.encodeReply(head, reply(finish()), options)).toEqual({
      model: 'glm-5',
      created_at: '2027-01-15T08:00:00.000Z',
      message: { role: 'assistant', content: '' },
      done: true,
      done_reason: reason,
    })
  })
})

const timed = { ...head, timing: () => ({ totalMs: 1_500.25, firstTokenMs: 500 }) }
const identity = { model: 'glm-5', created_at: '2027-01-15T08:00:00.000Z' }
const ended = {
  done: true,
  total_duration: 1_500_250_000,
  load_duration: 0,
  prompt_eval_count: 30,
  prompt_eval_duration: 500_000_000,
  eval_count: 12,
  eval_duration: 1_000_250_000,
}
const options = decode({}).options
const linesOf = (...deltas: Parameters<typeof events>) =>
  runTransform(ollamaChat.encoder(timed, options), events(...deltas))
    .join('')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

const turn = [
  think('I look.'),
  say('One '),
  say('moment.'),
  ...call('k', 'weather', '{"city":\n', '"Oslo","n":12345678901234567890}'),
]

describe('a reply', () => {
  test('is a line for each piece, and one at the end', () => {
    const piece = (message: object) => ({
      ...identity,
      message: { role: 'assistant', content: '', ...message },
      done: false,
    })
    expect(linesOf(...turn, usage, finish('tool-calls'))).toEqual([
      piece({ thinking: 'I look.' }),
      piece({ content: 'One ' }),
      piece({ content: 'moment.' }),
      piece({
        tool_calls: [
          // The exact number is in the text of the line.
          { id: 'id_k', function: { index: 0, name: 'weather', arguments: { city: 'Oslo', n: 12345678901234567000 } } },
        ],
      }),
      { ...identity, message: { role: 'assistant', content: '' }, ...ended, done_reason: 'stop' },
    ])
  })

  test('keeps the numbers of a call, on one line', () => {
    const text = runTransform(ollamaChat.encoder(timed, options), events(...turn, finish('tool-calls'))).join('')
    expect(text).toContain('"arguments":{"city": "Oslo","n":12345678901234567890}')
  })

  test('is the same as a whole', () => {
    expect(ollamaChat.encodeReply(timed, reply(...turn, usage, finish('tool-calls')), options)).toEqual({
      ...identity,
      message: {
        role: 'assistant',
        content: 'One moment.',
        thinking: 'I look.',
        tool_calls: [
          { id: 'id_k', function: { index: 0, name: 'weather', arguments: { city: 'Oslo', n: 12345678901234567000 } } },
        ],
      },
      ...ended,
      done_reason: 'stop',
    })
  })

  test('that is cut inside a call has no call, and says that it was cut', () => {
    const cut = [...call('k', 'weather', '{"city":"Os'), usage, finish('length')]
    const last = { ...identity, message: { role: 'assistant', content: '' }, ...ended, done_reason: 'length' }
    expect(linesOf(...cut)).toEqual([last])
    expect(ollamaChat.encodeReply(timed, reply(...cut), options)).toEqual(last)
  })

  test('that fails does not look finished', () => {
    const lines = linesOf(say('Par'), fail(new GatewayError('timeout', 'Too slow.')))
    expect([lines.length, lines.at(-1)]).toEqual([2, { error: 'Too slow.' }])
    expect(linesOf(say('Par')).at(-1)).toEqual({ error: expect.stringContaining('closed the stream') })
  })

  test('is preceded by white space while the model is silent, which belongs to the next line', () => {
    expect(JSON.parse(ollamaChat.stream.keepAlive + JSON.stringify(identity))).toEqual(identity)
  })
})

import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../../src/core/errors.ts'
import type { Delta, FinishReason } from '../../../src/core/events.ts'
import { runTransform } from '../../../src/core/transform.ts'
import { openaiCompletions } from '../../../src/dialects/openai-completions/index.ts'
import { call, events, fail, finish, head, reply, say, think, usage } from '../stream.ts'

const plain = { includeUsage: false, echo: '' }
const totals = {
  prompt_tokens: 30,
  completion_tokens: 12,
  total_tokens: 42,
  prompt_tokens_details: { cached_tokens: 10 },
  completion_tokens_details: { reasoning_tokens: 5 },
}
const identity = { id: 'msg_1', object: 'text_completion', created: 1_800_000_000, model: 'glm-5' }
const chunk = (text: string, finish: string | null = null, more = {}) =>
  `data: ${JSON.stringify({ ...identity, choices: [{ text, index: 0, logprobs: null, finish_reason: finish }], ...more })}\n\n`
const done = 'data: [DONE]\n\n'
const stream = (deltas: Delta[], options = plain) =>
  runTransform(openaiCompletions.encoder(head, options), events(...deltas))

describe('encoder', () => {
  test.each<[string, Delta[], typeof plain, string[]]>([
    ['says the text as it comes', [say('Hel'), say('lo')], plain, [chunk('Hel'), chunk('lo'), chunk('', 'stop')]],
    ['has no place for thinking', [think('Hm.'), say('a')], plain, [chunk('a'), chunk('', 'stop')]],
    ['has none for calls', [say('a'), ...call('x', 'f')], plain, [chunk('a'), chunk('', 'stop')]],
    [
      'says the prompt first where it is wanted',
      [say('b')],
      { includeUsage: false, echo: 'a' },
      [chunk('a'), chunk('b'), chunk('', 'stop')],
    ],
    [
      'sends the usage in a chunk of its own when asked, and null before it',
      [say('a'), usage],
      { includeUsage: true, echo: '' },
      [
        chunk('a', null, { usage: null }),
        chunk('', 'stop', { usage: null }),
        `data: ${JSON.stringify({ ...identity, choices: [], usage: totals })}\n\n`,
      ],
    ],
  ])('%s', (_name, deltas, options, expected) => {
    expect(stream([...deltas, finish()], options)).toEqual([...expected, done])
  })

  test('breaks off with the error: no finish_reason, no [DONE]', () => {
    expect(stream([say('a'), fail(new GatewayError('upstream-truncated', 'Cut off.'))])).toEqual([
      chunk('a'),
      'data: {"error":{"message":"Cut off.","type":"api_error","param":null,"code":"upstream_truncated"}}\n\n',
    ])
  })

  test.each<[FinishReason, string]>([
    ['stop', 'stop'],
    ['stop-sequence', 'stop'],
    ['length', 'length'],
    ['content-filter', 'content_filter'],
  ])('finishes %s as %s', (reason, expected) => {
    expect(stream([say('a'), finish(reason)]).at(-2)).toBe(chunk('', expected))
  })
})

test('encodeReply is one text_completion with everything the stream would have said', () => {
  const whole = reply(think('Hm.'), say('b'), think('Ah.'), say('\nc'), usage, finish())
  expect(openaiCompletions.encodeReply(head, whole, { includeUsage: false, echo: 'a' })).toEqual({
    ...identity,
    choices: [{ text: 'ab\nc', index: 0, logprobs: null, finish_reason: 'stop' }],
    usage: totals,
  })
})

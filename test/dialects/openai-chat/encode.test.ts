import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../../src/core/errors.ts'
import type { Delta, FinishReason } from '../../../src/core/events.ts'
import type { ReasoningField } from '../../../src/core/reply-encoder.ts'
import { runTransform } from '../../../src/core/transform.ts'
import type { ChatOptions } from '../../../src/dialects/openai-chat/encode.ts'
import { openaiChat } from '../../../src/dialects/openai-chat/index.ts'
import { call, events, fail, finish, head, reply, say, think, usage } from '../stream.ts'

const plain = { includeUsage: false, legacyFunctions: false }
const counted = { includeUsage: true, legacyFunctions: false }
const legacy = { includeUsage: false, legacyFunctions: true }

const identity = '{"id":"msg_1","object":"chat.completion.chunk","created":1800000000,"model":"glm-5"'
const chunk = (delta: object, finish: string | null = null, usageField = '') =>
  `data: ${identity},"choices":[{"index":0,"delta":${JSON.stringify({ ...delta, reasoning_content: reasoningIn(delta) })},"logprobs":null,"finish_reason":${JSON.stringify(finish)}}]${usageField}}\n\n`
/** Null in every delta that brings none. */
const reasoningIn = (delta: object) => ('reasoning_content' in delta ? delta.reasoning_content : null)
const first = chunk({ role: 'assistant', content: '' })
const done = 'data: [DONE]\n\n'

const stream = (deltas: Delta[], options: ChatOptions = plain) =>
  runTransform(openaiChat.encoder(head, options), events(...deltas))

describe('encoder', () => {
  test.each<[string, Delta[], string[]]>([
    [
      'says the role once and the text as it comes',
      [say('Hel'), say('lo "x"\n'), finish()],
      [chunk({ content: 'Hel' }), chunk({ content: 'lo "x"\n' }), chunk({}, 'stop')],
    ],
    [
      'keeps separate reasoning texts apart by a blank line, once',
      [think('a'), say('b'), think('c'), think('d'), finish()],
      [
        chunk({ reasoning_content: 'a' }),
        chunk({ content: 'b' }),
        chunk({ reasoning_content: '\n\nc' }),
        chunk({ reasoning_content: 'd' }),
        chunk({}, 'stop'),
      ],
    ],
    [
      'counts tool calls from 0 whatever came before',
      [think('a'), ...call('x', 'f', '{"a":', '1}'), ...call('y', 'g'), finish()],
      [
        chunk({ reasoning_content: 'a' }),
        chunk({ tool_calls: [{ index: 0, id: 'id_x', type: 'function', function: { name: 'f', arguments: '' } }] }),
        chunk({ tool_calls: [{ index: 0, function: { arguments: '{"a":' } }] }),
        chunk({ tool_calls: [{ index: 0, function: { arguments: '1}' } }] }),
        chunk({ tool_calls: [{ index: 1, id: 'id_y', type: 'function', function: { name: 'g', arguments: '' } }] }),
        chunk({ tool_calls: [{ index: 1, function: { arguments: '{}' } }] }),
        chunk({}, 'tool_calls'),
      ],
    ],
    ['ends an empty answer like any other', [finish()], [chunk({}, 'stop')]],
  ])('%s', (_name, deltas, expected) => {
    expect(stream(deltas)).toEqual([first, ...expected, done])
  })

  test('sends the usage in a chunk of its own when asked, and null before it', () => {
    const totals =
      '{"prompt_tokens":30,"completion_tokens":12,"total_tokens":42,"prompt_tokens_details":{"cached_tokens":10},"completion_tokens_details":{"reasoning_tokens":5}}'
    expect(stream([say('a'), usage, finish()], counted)).toEqual([
      chunk({ role: 'assistant', content: '' }, null, ',"usage":null'),
      chunk({ content: 'a' }, null, ',"usage":null'),
      chunk({}, 'stop', ',"usage":null'),
      `data: ${identity},"choices":[],"usage":${totals}}\n\n`,
      done,
    ])
  })

  test('breaks off with the error: no finish_reason, no [DONE]', () => {
    const error = new GatewayError('upstream-truncated', 'Cut off.')
    expect(stream([say('a'), fail(error)], counted)).toEqual([
      chunk({ role: 'assistant', content: '' }, null, ',"usage":null'),
      chunk({ content: 'a' }, null, ',"usage":null'),
      'data: {"error":{"message":"Cut off.","type":"api_error","param":null,"code":"upstream_truncated"}}\n\n',
    ])
  })

  test('answers legacy functions with the one call their shape can hold', () => {
    expect(stream([...call('x', 'f', '{"a":1}'), ...call('y', 'g', '{}'), finish()], legacy)).toEqual([
      first,
      chunk({ function_call: { name: 'f', arguments: '' } }),
      chunk({ function_call: { arguments: '{"a":1}' } }),
      chunk({}, 'function_call'),
      done,
    ])
  })

  test.each<[FinishReason, string]>([
    ['stop', 'stop'],
    ['stop-sequence', 'stop'],
    ['length', 'length'],
    ['content-filter', 'content_filter'],
  ])('finishes %s as %s', (reason, expected) => {
    expect(stream([say('a'), finish(reason)]).at(-2)).toBe(chunk({}, expected))
  })

  test('says a name in any script in ASCII, so that text in bytes fits between', () => {
    const model = 'модель\u007f—🙂'
    const lines = runTransform(openaiChat.encoder({ ...head, model }, counted), events(say('x'), finish()))
    for (const line of lines.slice(0, -1)) {
      expect(line).toMatch(/^[\n\x20-\x7e]+$/)
      expect(JSON.parse(line.slice('data: '.length)).model).toBe(model)
    }
  })

  test('a delta between prefix and suffix is the JSON the whole chunk would be', () => {
    const text = 'é"\\\n\u2028世界🙂</script>'
    const line = stream([say(text), finish()])[1] ?? ''
    expect(JSON.parse(line.slice('data: '.length))).toEqual({
      id: 'msg_1',
      object: 'chat.completion.chunk',
      created: 1_800_000_000,
      model: 'glm-5',
      choices: [{ index: 0, delta: { content: text, reasoning_content: null }, logprobs: null, finish_reason: null }],
    })
  })
})

describe('freeform tools', () => {
  const options: ChatOptions = { ...plain, customTools: [['patch_2', 'patch']] }
  const deltas = [...call('x', 'patch_2', '{"input":"*** ', 'Be\\ngin"}'), ...call('y', 'f', '{}'), finish()]

  test('are called with their text as it comes', () => {
    expect(stream(deltas, options)).toEqual([
      first,
      chunk({ tool_calls: [{ index: 0, id: 'id_x', type: 'custom', custom: { name: 'patch', input: '' } }] }),
      chunk({ tool_calls: [{ index: 0, custom: { input: '*** ' } }] }),
      chunk({ tool_calls: [{ index: 0, custom: { input: 'Be\ngin' } }] }),
      chunk({ tool_calls: [{ index: 1, id: 'id_y', type: 'function', function: { name: 'f', arguments: '' } }] }),
      chunk({ tool_calls: [{ index: 1, function: { arguments: '{}' } }] }),
      chunk({}, 'tool_calls'),
      done,
    ])
  })

  test('are called with what could be read only at the end', () => {
    expect(stream([...call('x', 'patch_2', '{"text":"a"}'), finish()], options).slice(1, 3)).toEqual([
      chunk({ tool_calls: [{ index: 0, id: 'id_x', type: 'custom', custom: { name: 'patch', input: '' } }] }),
      chunk({ tool_calls: [{ index: 0, custom: { input: 'a' } }] }),
    ])
  })

  test('are called in a whole reply', () => {
    expect(openaiChat.encodeReply(head, reply(...deltas), options)).toHaveProperty('choices.0.message.tool_calls', [
      { id: 'id_x', type: 'custom', custom: { name: 'patch', input: '*** Be\ngin' } },
      { id: 'id_y', type: 'function', function: { name: 'f', arguments: '{}' } },
    ])
  })
})

describe('the field of the reasoning', () => {
  const turn = [think('a'), say('b'), finish()]
  test.each<[ReasoningField, object, object]>([
    ['reasoning_content', { reasoning_content: 'a' }, { reasoning_content: null }],
    ['reasoning', { reasoning: 'a' }, { reasoning: null }],
    ['both', { reasoning_content: 'a', reasoning: 'a' }, { reasoning_content: null, reasoning: null }],
  ])('%s', (reasoningField, reasoning, none) => {
    const lines = runTransform(openaiChat.encoder({ ...head, reasoningField }, plain), events(...turn)).slice(0, -1)
    expect(lines.map((line) => JSON.parse(line.slice('data: '.length)).choices[0].delta)).toEqual([
      { role: 'assistant', content: '', ...none },
      reasoning,
      { content: 'b', ...none },
      none,
    ])
    const whole = openaiChat.encodeReply({ ...head, reasoningField }, reply(...turn), plain)
    expect(whole).toHaveProperty('choices.0.message', {
      ...{ role: 'assistant', content: 'b', refusal: null, annotations: [] },
      ...reasoning,
    })
  })
})

describe('encodeReply', () => {
  const whole = (deltas: Delta[], options = plain) => openaiChat.encodeReply(head, reply(...deltas), options)

  test('is one chat.completion with everything the stream would have said', () => {
    expect(whole([think('a'), say('b'), think('c'), say('\nd'), usage, finish()])).toEqual({
      id: 'msg_1',
      object: 'chat.completion',
      created: 1_800_000_000,
      model: 'glm-5',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: 'b\nd',
            refusal: null,
            annotations: [],
            reasoning_content: 'a\n\nc',
          },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: {
        prompt_tokens: 30,
        completion_tokens: 12,
        total_tokens: 42,
        prompt_tokens_details: { cached_tokens: 10 },
        completion_tokens_details: { reasoning_tokens: 5 },
      },
    })
  })

  const f = { id: 'id_x', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }
  test.each<[string, Delta[], typeof plain, object]>([
    ['only calls leave no content', call('x', 'f', '{"a":1}'), plain, { content: null, tool_calls: [f] }],
    ['text beside calls stays', [say('So.'), ...call('x', 'f', '{"a":1}')], plain, { content: 'So.', tool_calls: [f] }],
    [
      'legacy functions get function_call',
      call('x', 'f', '{"a":1}'),
      legacy,
      { content: null, function_call: f.function },
    ],
    ['an empty answer is an empty text', [], plain, { content: '' }],
  ])('%s', (_name, deltas, options, expected) => {
    expect(whole([...deltas, finish()], options)).toHaveProperty('choices.0.message', {
      role: 'assistant',
      refusal: null,
      annotations: [],
      reasoning_content: null,
      ...expected,
    })
  })
})

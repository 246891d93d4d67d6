import { describe, expect, test } from 'bun:test'
import type { Reasoning } from '../../../src/core/request.ts'
import { anthropicMessages } from '../../../src/dialects/anthropic-messages/index.ts'
import { openaiChat } from '../../../src/dialects/openai-chat/index.ts'
import { openaiResponses } from '../../../src/dialects/openai-responses/index.ts'
import { encode } from '../../../src/upstreams/chat-completions/encode.ts'
import { fieldOf } from '../../support/chat-zai.ts'
import { requestContext } from '../../support/request-context.ts'
import { modelNamed, profile, request } from './support.ts'

// What a client says of thinking, and what each kind of model hears: `on`, `off`, or `on` with an effort.
const models = ['glm-4.7', 'glm-5.2', 'glm-5.3', 'glm-4-flash-250414'] as const
type Wire = [string, string, string, string]

const off: Wire = ['off', 'off', 'on low', '-']
const on: Wire = ['on', 'on', 'on', '-']
const low: Wire = ['on', 'on low', 'on low', '-']
const medium: Wire = ['on', 'on medium', 'on high', '-']
const high: Wire = ['on', 'on high', 'on high', '-']
const max: Wire = ['on', 'on max', 'on max', '-']

const efforts: [string | undefined, Wire][] = [
  [undefined, on],
  ['none', off],
  ['minimal', off],
  ['low', low],
  ['medium', medium],
  ['high', high],
  ['xhigh', max],
  ['max', max],
]

function received(reasoning: Reasoning): string[] {
  return models.map((model) => {
    const body = encode(
      { ...request, reasoning },
      {
        model: modelNamed(model),
        requestId: 'request-1',
        rules: profile.request,
        label: profile.errors.label,
        tools: [],
        forceToolCall: false,
      },
    )
    const thinking = fieldOf(fieldOf(body, 'thinking'), 'type')
    if (thinking === undefined) return '-'
    const effort = fieldOf(body, 'reasoning_effort')
    const word = thinking === 'enabled' ? 'on' : 'off'
    return effort === undefined ? word : `${word} ${effort}`
  })
}

const hello = [{ role: 'user', content: 'Hi' }]
const chat = (fields: object) =>
  openaiChat.decode({ model: 'm', messages: hello, ...fields }, requestContext()).request.reasoning
const responses = (fields: object) =>
  openaiResponses.decode({ model: 'm', input: 'Hi', ...fields }, requestContext()).request.reasoning
const messages = (fields: object) =>
  anthropicMessages.decode({ model: 'm', messages: hello, ...fields }, requestContext()).request.reasoning

describe(`what ${models.join(', ')} hear of`, () => {
  test.each(efforts)('reasoning_effort %s', (effort, wire) => {
    expect(received(chat(effort === undefined ? {} : { reasoning_effort: effort }))).toEqual(wire)
    expect(received(chat(effort === undefined ? {} : { reasoning: { effort } }))).toEqual(wire)
  })

  test.each(efforts)('reasoning.effort %s', (effort, wire) => {
    expect(received(responses(effort === undefined ? {} : { reasoning: { effort } }))).toEqual(wire)
  })

  test.each(efforts.filter(([effort]) => effort !== 'none' && effort !== 'minimal'))(
    'adaptive thinking with output_config.effort %s',
    (effort, wire) => {
      const fields = effort === undefined ? {} : { output_config: { effort } }
      expect(received(messages({ thinking: { type: 'adaptive' }, ...fields }))).toEqual(wire)
      expect(received(messages(fields))).toEqual(off)
    },
  )

  test.each<[number, Wire]>([
    [1_024, low],
    [4_096, low],
    [4_097, on],
    [31_999, on],
  ])('a budget of %d tokens', (budget_tokens, wire) => {
    const thinking = { type: 'enabled', budget_tokens }
    expect(received(messages({ thinking }))).toEqual(wire)
    expect(received(chat({ thinking }))).toEqual(wire)
    expect(received(chat({ reasoning: { enabled: true, max_tokens: budget_tokens } }))).toEqual(wire)
  })

  test('an effort beside a budget is the effort', () => {
    const thinking = { type: 'enabled', budget_tokens: 1_024 }
    expect(received(messages({ thinking, output_config: { effort: 'max' } }))).toEqual(max)
  })
})

import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { withCallIds } from '../../../src/core/call-ids.ts'
import type { AssistantPart, ChatRequest, Message, UserPart } from '../../../src/core/request.ts'
import { runs } from '../../support/effort.ts'
import { fault } from '../../support/zai-api.ts'
import { called, encoded, image } from './encoding.ts'
import { weather } from './support.ts'

const names = [
  'glm-5.4',
  'glm-5.3-flash',
  'glm-5.3',
  'glm-5.2',
  'glm-4.7',
  'glm-4.6v',
  'glm-4.5',
  'glm-4.5v',
  'glm-4.1v-thinking-flash',
  'glm-4-flash-250414',
]

async function complaintOf(body: object): Promise<string | undefined> {
  return fault(body)?.text()
}

describe('the API accepts what every client family sends', () => {
  const root = new URL('../../golden/requests/', import.meta.url)
  for (const dialect of readdirSync(root))
    for (const name of readdirSync(new URL(`${dialect}/`, root)))
      test.each(names)(`${dialect}/${name} for %s`, async (model) => {
        const text = readFileSync(new URL(`${dialect}/${name}/canonical.json`, root), 'utf8')
        const { request: canonical } = JSON.parse(text) as { request: ChatRequest }
        // Upstreams see calls that have ids and names: the gateway gives those that lack them.
        const sound = { ...canonical, messages: withCallIds(canonical.messages) }
        for (const insist of [false, true]) expect(await complaintOf(encoded(sound, model, insist))).toBeUndefined()
      })
})

test('the API accepts any encoded request', async () => {
  const text = fc.constantFrom('', ' ', 'Hi', '\n')
  const id = fc.constantFrom('a', 'b', 'c')
  const userPart = fc.oneof(
    text.map((value): UserPart => ({ type: 'text', text: value })),
    fc.constant(image),
    fc.constant<UserPart>({ type: 'video', source: { type: 'url', url: 'https://example.com/a.mp4' } }),
    fc.constant<UserPart>({ type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } }),
  )
  const assistantPart = fc.oneof(
    text.map((value): AssistantPart => ({ type: 'text', text: value })),
    text.map((value): AssistantPart => ({ type: 'reasoning', text: value })),
    fc.tuple(id, fc.constantFrom('', '{}', '{"a":1}', '[1]', 'oops')).map(([call, args]) => called(call, args)),
  )
  const message = fc.oneof(
    text.map((value): Message => ({ role: 'system', text: value })),
    fc.array(userPart, { maxLength: 3 }).map((parts): Message => ({ role: 'user', parts })),
    fc
      .uniqueArray(assistantPart, { maxLength: 3, selector: JSON.stringify })
      .map((parts): Message => ({ role: 'assistant', parts })),
    fc
      .tuple(id, fc.array(userPart, { maxLength: 2 }), fc.boolean())
      .map(([callId, parts, isError]): Message => ({ role: 'tool', callId, parts, isError })),
  )
  const sampling = fc.record(
    {
      temperature: fc.double({ min: -1, max: 3, noNaN: true }),
      topP: fc.double({ min: -1, max: 2, noNaN: true }),
      maxTokens: fc.integer({ min: -5, max: 1_000_000 }),
      stop: fc.array(fc.constantFrom('', 'END', '\n'), { maxLength: 8 }),
    },
    { requiredKeys: [] },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(message, { maxLength: 8 }),
      sampling,
      fc.constantFrom(...names),
      fc.boolean(),
      async (messages, sampled, model, insist) => {
        const body = encoded({ messages, sampling: sampled, tools: [weather], toolChoice: 'required' }, model, insist)
        expect(await complaintOf(body)).toBeUndefined()
      },
    ),
    { numRuns: runs(400) },
  )
})

describe('the checker of these tests reports', () => {
  const good = { model: 'glm-4.7', messages: [{ role: 'user', content: 'Hi' }] }
  const call = { id: 'c1', type: 'function', function: { name: 'bash', arguments: '{}' } }
  const user = { role: 'user', content: 'Hi' }
  test('nothing of a plain request', () => expect(fault(good)).toBeUndefined())

  test.each<[string, object]>([
    ['a developer', { messages: [{ role: 'developer', content: 'Be.' }, user] }],
    ['a conversation without a user', { messages: [{ role: 'system', content: 'Be.' }] }],
    ['content that is null', { messages: [user, { role: 'assistant', content: null, tool_calls: [call] }] }],
    ['a call without a result', { messages: [user, { role: 'assistant', content: '', tool_calls: [call] }, user] }],
    [
      'a call without a result at the end',
      { messages: [user, { role: 'assistant', content: '', tool_calls: [call] }] },
    ],
    ['a result without a call', { messages: [user, { role: 'tool', tool_call_id: 'c1', content: 'x' }] }],
    ['parts for a model that only reads', { messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }] }],
    ['a stop that is no array', { stop: 'END' }],
    ['five stops', { stop: ['a', 'b', 'c', 'd', 'e'] }],
    ['a tool choice', { tool_choice: 'required' }],
    ['a high temperature', { temperature: 1.5 }],
    ['three decimals', { temperature: 0.123 }],
    ['a top_p of zero', { top_p: 0 }],
    ['too many tokens', { max_tokens: 200_000 }],
    ['a short user id', { user_id: 'abc' }],
    ['a field it does not know', { n: 1 }],
    ['a JSON schema', { response_format: { type: 'json_schema' } }],
    ['an effort of a model without efforts', { reasoning_effort: 'high' }],
    ['no thinking of a model that always thinks', { model: 'glm-5.3', thinking: { type: 'disabled' } }],
  ])('%s', (_name, more) => expect(fault({ ...good, ...more })?.status).toBe(400))
})

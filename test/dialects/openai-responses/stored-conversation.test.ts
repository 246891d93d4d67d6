import { expect, test } from 'bun:test'
import type { StoredResponse } from '../../../src/core/stored-conversation.ts'
import { openaiResponses } from '../../../src/dialects/openai-responses/index.ts'
import { isWanted, references, resolve, save } from '../../../src/dialects/openai-responses/stored-conversation.ts'
import { requestContext } from '../../support/request-context.ts'
import { finish, head, reply, say, think, thrownBy } from '../stream.ts'

const first = { ...head, id: 'resp_A1' }
const decode = (body: object) => openaiResponses.decode(body, requestContext())
const kept = save(first, reply(think('Hm.'), say('Oslo.'), finish()), decode({ model: 'm', input: 'Where?' }).options)
const find = (id: string): StoredResponse | undefined => (id === 'resp_A1' ? kept : undefined)

const question = {
  type: 'message',
  id: 'msg_A1_i0',
  status: 'completed',
  role: 'user',
  content: [{ type: 'input_text', text: 'Where?' }],
}
const reasoning = {
  id: 'rs_A1_0',
  type: 'reasoning',
  summary: [],
  content: [{ type: 'reasoning_text', text: 'Hm.' }],
}

test.each<[string, object, string[]]>([
  ['the response it continues', { input: 'a', previous_response_id: 'resp_A1' }, ['resp_A1']],
  [
    'those whose items it names, each once',
    {
      input: ['rs_A1_0', 'msg_A1_i0', 'msg_B2_1'].map((id) => ({ type: 'item_reference', id })),
      previous_response_id: 'resp_B2',
    },
    ['resp_B2', 'resp_A1'],
  ],
  ['one that is named without a type', { input: [{ id: 'rs_A1_0' }, { role: 'user', content: 'a' }] }, ['resp_A1']],
  ['one among messages', { messages: [{ type: 'item_reference', id: 'rs_A1_0' }] }, ['resp_A1']],
  ['none for items of other servers', { input: [{ type: 'item_reference', id: 'rs_68af' }] }, []],
  ['none for items that are sent', { input: [{ type: 'reasoning', id: 'rs_A1_0' }], previous_response_id: null }, []],
])('a body says which stored responses it needs: %s', (_name, fields, expected) => {
  const body = { model: 'm', ...fields }
  expect(references(body)).toEqual(expected)
  const asked = new Set<string>()
  const known = (id: string) => {
    asked.add(id)
    return kept
  }
  resolve(body, known)
  expect([...asked].sort()).toEqual([...expected].sort())
})

test('a stored response holds its conversation, each item with its type, id and parts', () => {
  expect(kept).toMatchObject({ id: 'resp_A1', input: [question], reply: { id: 'resp_A1', output: [reasoning, {}] } })
})

test.each<[string, object, Record<string, unknown>]>([
  [
    'a call',
    { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
    { type: 'function_call', id: 'fc_A1_i0', status: 'completed', call_id: 'c', name: 'f', arguments: '{}' },
  ],
  [
    'what a client has called otherwise',
    { type: 'shell_call_output', id: 'x', status: 'incomplete', call_id: 'c', output: [] },
    { type: 'shell_call_output', id: 'x', status: 'incomplete', call_id: 'c', output: [] },
  ],
  [
    'reasoning without content',
    { type: 'reasoning', id: 'rs_9', summary: [], content: null, encrypted_content: 'x' },
    { type: 'reasoning', id: 'rs_9', status: 'completed', summary: [], encrypted_content: 'x' },
  ],
  [
    'an image and an answer',
    {
      role: 'assistant',
      content: [
        { type: 'output_text', text: 'a' },
        { type: 'input_image', image_url: 'b' },
      ],
    },
    {
      type: 'message',
      id: 'msg_A1_i0',
      status: 'completed',
      role: 'assistant',
      content: [
        { type: 'output_text', annotations: [], text: 'a' },
        { type: 'input_image', detail: 'auto', image_url: 'b' },
      ],
    },
  ],
  [
    'tools',
    { type: 'additional_tools', role: 'developer', tools: [{ type: 'function', name: 'f' }] },
    {
      type: 'additional_tools',
      id: 'item_A1_i0',
      status: 'completed',
      role: 'developer',
      tools: [{ type: 'function', name: 'f', description: null, parameters: null, strict: false }],
    },
  ],
])('a stored item has the members clients insist on: %s', (_name, item, expected) => {
  const { options } = decode({ model: 'm', input: [item, 'a'] })
  expect(save(first, reply(say('a'), finish()), options)?.input[0]).toEqual(expected)
})

test('a client that says store: false wants nothing stored', () => {
  expect(
    [{ store: false }, { store: true }, {}].map((fields) =>
      isWanted(decode({ model: 'm', input: 'Hi', ...fields }).options),
    ),
  ).toEqual([false, true, true])
})

test('the conversation of the previous response comes first, reasoning included, instructions not', () => {
  const body = resolve({ model: 'm', input: 'And then?', previous_response_id: 'resp_A1', instructions: 'New.' }, find)
  expect(decode(body).request.messages).toEqual([
    { role: 'system', text: 'New.' },
    { role: 'user', parts: [{ type: 'text', text: 'Where?' }] },
    {
      role: 'assistant',
      parts: [
        { type: 'reasoning', text: 'Hm.' },
        { type: 'text', text: 'Oslo.' },
      ],
    },
    { role: 'user', parts: [{ type: 'text', text: 'And then?' }] },
  ])
})

test('a third turn needs only the second', () => {
  const body = resolve({ model: 'm', input: 'And then?', previous_response_id: 'resp_A1' }, find)
  const second = save({ ...head, id: 'resp_B2' }, reply(say('Rome.'), finish()), decode(body).options)
  const third = resolve({ model: 'm', input: 'And?', previous_response_id: 'resp_B2' }, (id) =>
    id === 'resp_B2' ? second : undefined,
  )
  expect(decode(third).request.messages.map(({ role }) => role)).toEqual([
    'user',
    'assistant',
    'user',
    'assistant',
    'user',
  ])
})

test.each([
  ['an item of the output', 'rs_A1_0', reasoning],
  ['an item of the input', 'msg_A1_i0', question],
])('a reference to %s is replaced by it', (_name, id, expected) => {
  expect(resolve({ model: 'm', input: [{ type: 'item_reference', id }] }, find).input).toEqual([
    expect.objectContaining(expected),
  ])
})

test('a previous response that nobody knows is refused by name', () => {
  expect(thrownBy(() => resolve({ model: 'm', input: 'a', previous_response_id: 'resp_X' }, find))).toMatchObject({
    kind: 'invalid-request',
    code: 'previous_response_not_found',
    param: 'previous_response_id',
  })
})

test.each(['rs_X_0', 'rs_A1_9', 'rs_68af'])('a reference to %s, which nobody knows, stays one', (id) => {
  const input = [{ type: 'item_reference', id }]
  expect(resolve({ model: 'm', input }, find).input).toEqual(input)
})

test('what is left out is named by its place in the body, or as part of the previous response', () => {
  const sealed = { type: 'compaction', encrypted_content: 'x' }
  const options = decode({ model: 'm', input: [{ role: 'user', content: 'a' }, sealed] }).options
  const second = save({ ...head, id: 'resp_C3' }, reply(say('Rome.'), finish()), options)
  const body = resolve({ model: 'm', input: [sealed, 'b'], previous_response_id: 'resp_C3' }, () => second)
  expect(decode(body).request.ignored).toEqual(['previous_response.1 (compaction)', 'input.0 (compaction)'])
})

test('a response in the background has failed when nobody can be writing it any more', () => {
  const failIfAbandoned = openaiResponses.storedConversation?.background?.failIfAbandoned
  const reply = { status: 'in_progress', created_at: 1_000 }
  expect(failIfAbandoned?.(reply, 1_060)).toEqual(reply)
  expect(failIfAbandoned?.(reply, 5_000)).toMatchObject({ status: 'failed', error: { code: 'server_error' } })
  expect(failIfAbandoned?.({ ...reply, status: 'completed' }, 5_000)).toMatchObject({ status: 'completed' })
})

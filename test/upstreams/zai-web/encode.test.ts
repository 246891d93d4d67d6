import { expect, test } from 'bun:test'
import type { ChatRequest, ImagePart, Message } from '../../../src/core/request.ts'
import { type EncodeOptions, encode, imagesOf } from '../../../src/upstreams/zai-web/encode.ts'
import type { WebModel } from '../../../src/upstreams/zai-web/models.ts'
import { plainRequest } from '../../support/request.ts'
import newChat from './chats_new.json'
import recorded from './completion_request.json'
import uploaded from './file_upload.json'

const model: WebModel = {
  id: 'GLM-4.7',
  upstreamId: 'glm-4.7',
  createdAtSeconds: 0,
  vision: false,
  reasoning: 'on-request',
  search: true,
  reasoningEffort: false,
  searchServer: 'deep-web-search',
}
const userMessage = '0d0d0d0d-1111-4222-8333-444444444444'
const head: EncodeOptions = {
  model,
  userName: 'Guest-1760000000000',
  now: 1_760_000_000_000,
  ids: { message: '0b0b0b0b-1111-4222-8333-444444444444', userMessage },
  mode: 'flatten',
  callsTools: false,
  files: new Map(),
}
const chatId = '0c0c0c0c-1111-4222-8333-444444444444'

const user = (text: string): Message => ({ role: 'user', parts: [{ type: 'text', text }] })
const assistant = (text: string): Message => ({
  role: 'assistant',
  parts: [
    { type: 'reasoning', text: 'hm' },
    { type: 'text', text },
  ],
})
const system = (text: string): Message => ({ role: 'system', text })
const image: ImagePart = { type: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'AA==' } }

function request(messages: Message[], more: Partial<ChatRequest> = {}): ChatRequest {
  return plainRequest({
    model: 'GLM-4.7',
    messages,
    ...more,
  })
}

function messagesOf(messages: Message[], more: Partial<EncodeOptions> = {}): { prompt: string; messages: unknown } {
  const encoded = encode(request(messages), { ...head, ...more })
  return { prompt: encoded.prompt, messages: Reflect.get(encoded.completion(chatId, true), 'messages') }
}

function bodyOf(more: Partial<ChatRequest>, headMore: Partial<EncodeOptions> = {}): unknown {
  return encode(request([user('Hi')], more), { ...head, ...headMore }).completion(chatId, true)
}

test('a completion is what the browser would have sent', () => {
  const encoded = encode(request([user('Hello, GLM!')], { reasoning: { mode: 'on' } }), head)
  expect(encoded.prompt).toBe('Hello, GLM!')
  expect(encoded.completion(chatId, true)).toEqual(recorded.body)
  expect(encoded.chat).toEqual(newChat.request)
})

test('an unsigned completion does not name the signed prompt', () => {
  const { signature_prompt: _, ...body } = recorded.body
  expect(encode(request([user('Hello, GLM!')], { reasoning: { mode: 'on' } }), head).completion(chatId, false)).toEqual(
    body,
  )
})

test('a single user message is sent verbatim', () => {
  expect(messagesOf([user(' as it is\n')])).toEqual({
    prompt: ' as it is\n',
    messages: [{ role: 'user', content: ' as it is\n' }],
  })
})

test('a conversation is flattened into one user message, system text first and the newest turn last', () => {
  const text = [
    '[System]\nBe brief.',
    'The conversation so far, each turn under the name of its speaker. Reply as [Assistant] to the last turn, without writing the label.',
    '[User]\nOne?',
    '[Assistant]\nTwo.',
    '[User]\nThree?',
  ].join('\n\n')
  expect(messagesOf([system('Be brief.'), user('One?'), assistant('Two.'), user('Three?')])).toEqual({
    prompt: text,
    messages: [{ role: 'user', content: text }],
  })
})

test('roles are kept in the mode `roles`, with tool results as user messages', () => {
  const result: Message = { role: 'tool', callId: 'c', isError: false, parts: [{ type: 'text', text: '4' }] }
  expect(messagesOf([system('Be brief.'), user('One?'), assistant('Two.'), result], { mode: 'roles' })).toEqual({
    prompt: '4',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'One?' },
      { role: 'assistant', content: 'Two.' },
      { role: 'user', content: '4' },
    ],
  })
})

test.each([['flatten'], ['roles']] as const)(
  'a system message behind the prompt never becomes the last words (%s)',
  (mode) => {
    const { prompt } = messagesOf(
      [system('Rules.'), user('One?'), assistant('Two.'), user('Three?'), system('Remember.')],
      { mode },
    )
    expect(prompt.endsWith('Three?')).toBe(true)
  },
)

test('a late system message keeps its role and its place before the turn', () => {
  expect(
    messagesOf([user('One?'), assistant('Two.'), user('Three?'), system('Remember.')], { mode: 'roles' }).messages,
  ).toEqual([
    { role: 'user', content: 'One?' },
    { role: 'assistant', content: 'Two.' },
    { role: 'system', content: 'Remember.' },
    { role: 'user', content: 'Three?' },
  ])
})

test('a JSON answer is asked for in the system text, with its schema', () => {
  const schema = { type: 'object', properties: { n: { type: 'number' } } }
  const { prompt } = encode(request([system('Count.'), user('Go')], { output: { type: 'json', schema } }), head)
  expect(prompt).toStartWith('[System]\nCount.\n\nAnswer with one JSON value')
  expect(prompt).toContain(JSON.stringify(schema))
  expect(prompt).toEndWith('[User]\nGo')
})

test('with tools, the instruction for JSON is about the final answer only', () => {
  const output = { type: 'json', description: 'A city.' } as const
  const { prompt } = encode(request([user('Go')], { output }), { ...head, callsTools: true })
  expect(prompt).toStartWith(
    '[System]\nCall tools as they are needed. The final answer, when no call is needed any more,',
  )
  expect(prompt).toContain('It is this: A city.')
})

test('a document is named in the place where it could not be read', () => {
  const document = {
    type: 'document',
    title: 'plan.pdf',
    source: { type: 'url', url: 'https://example.com/plan.pdf' },
  } as const
  expect(messagesOf([{ role: 'user', parts: [{ type: 'text', text: 'Read' }, document] }]).prompt).toBe(
    'Read\n[The file "plan.pdf" was attached here, but it could not be read.]',
  )
})

test.each([
  ['off asks for none', { mode: 'off' }, 'on-request', false],
  ['a model that thinks anyway is let, lest it think aloud', { mode: 'off' }, 'by-default', true],
  ['on asks for it', { mode: 'on' }, 'on-request', true],
  ['by default a model that thinks by itself is let', { mode: 'default' }, 'by-default', true],
  ['by default a model that can is not asked to', { mode: 'default' }, 'on-request', false],
  ['a model that cannot is never asked to', { mode: 'on' }, 'never', false],
] as const)('thinking: %s', (_name, reasoning, ability, expected) => {
  expect(bodyOf({ reasoning }, { model: { ...model, reasoning: ability } })).toMatchObject({
    features: { enable_thinking: expected },
  })
})

test.each([
  ['high is said to a model that takes it', { mode: 'on', effort: 'high' }, true, 'high'],
  ['low is the default of the site', { mode: 'on', effort: 'low' }, true, undefined],
  ['a model that takes none is told none', { mode: 'on', effort: 'max' }, false, undefined],
  ['no thinking, no effort', { mode: 'off', effort: 'max' }, true, undefined],
] as const)('effort: %s', (_name, reasoning, reasoningEffort, expected) => {
  const body = bodyOf({ reasoning }, { model: { ...model, reasoningEffort } })
  expect(Reflect.get(Object(Reflect.get(Object(body), 'features')), 'reasoning_effort')).toBe(expected)
})

test('search switches on the server of the model', () => {
  expect(bodyOf({ search: true }, { model: { ...model, searchServer: 'advanced-search' } })).toMatchObject({
    features: { web_search: true, auto_web_search: true },
    mcp_servers: ['advanced-search'],
  })
})

test('without search its server stays off', () => {
  const body = bodyOf({})
  expect(body).toMatchObject({ features: { web_search: false, auto_web_search: false } })
  expect(body).not.toHaveProperty('mcp_servers')
})

test('only the sampling the client asked for is passed on', () => {
  expect(bodyOf({ sampling: { temperature: 0, topP: 0.9, maxTokens: 5, stop: ['x'] } })).toMatchObject({
    params: { temperature: 0, top_p: 0.9, max_tokens: 5 },
  })
  expect(bodyOf({})).toMatchObject({ params: {} })
})

test('an image is a part of the message and an entry in `files`', () => {
  const { id } = uploaded.response.body
  const files = new Map([[image, { id, entry: () => uploaded.body_files_entry }]])
  const ask = request([{ role: 'user', parts: [{ type: 'text', text: 'What is in the picture?' }, image] }])
  const encoded = encode(ask, { ...head, files, model: { ...model, vision: true } })
  expect(encoded.prompt).toBe('What is in the picture?')
  expect(encoded.completion(chatId, true)).toMatchObject({
    messages: [uploaded.message],
    files: [uploaded.body_files_entry],
    features: { preview_mode: false },
  })
  expect(encoded.chat).toMatchObject({
    chat: { history: { messages: { [userMessage]: { files: [uploaded.body_files_entry] } } } },
  })
})

test('images of earlier turns keep their place in the text, those of tool results included', () => {
  const other: ImagePart = { ...image }
  const messages: Message[] = [
    { role: 'user', parts: [image, { type: 'text', text: 'This?' }] },
    assistant('A cat.'),
    { role: 'tool', callId: 'c', isError: false, parts: [{ type: 'text', text: 'Look:' }, other] },
  ]
  expect(imagesOf(request(messages))).toEqual([image, other])
  const { prompt } = messagesOf(messages)
  expect(prompt).toContain('[User]\n[Image 1]\nThis?')
  expect(prompt).toEndWith('[User]\nLook:\n[Image 2]')
})

test('the stored copy of a long prompt is short and well-formed', () => {
  const { chat } = encode(request([user(`${'a'.repeat(499)}🌏 and more`)]), head)
  expect(JSON.stringify(chat)).toContain(`${'a'.repeat(499)}\uFFFD"`)
})

import { afterEach, describe, expect, test } from 'bun:test'
import { readBatch } from '../../../src/core/batch-stream.ts'
import type { Delta } from '../../../src/core/events.ts'
import type { ChatRequest, ImagePart, Tool } from '../../../src/core/request.ts'
import type { Model, UpstreamCall } from '../../../src/core/upstream.ts'
import { type ZaiWebOptions, zaiWeb } from '../../../src/upstreams/zai-web/index.ts'
import { unpaidBill } from '../../support/bills.ts'
import {
  answer,
  type ChatZai,
  type ChatZaiOptions,
  chatZai,
  completionRoute,
  errorFrame,
  eventStream,
  fieldOf,
  frames,
  indexPage,
  json,
  webDefaults,
} from '../../support/chat-zai.ts'
import { manualClock } from '../../support/clock.ts'
import { lending } from '../../support/pool.ts'
import { fromTheStart } from '../../support/replies.ts'
import { plainRequest } from '../../support/request.ts'
import recorded from './completion_request.json'
import { settle } from './support.ts'

const auths = 'GET /api/v1/auths/'
const chats = 'POST /api/v1/chats/new'
const cleanup = 'DELETE /api/v1/chats/'
const files = 'POST /api/v1/files/'
const page = 'GET /'

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

const model: Model = {
  id: 'GLM-4.7',
  upstreamId: 'glm-4.7',
  createdAtSeconds: 0,
  vision: false,
  reasoning: 'on-request',
  search: true,
}
const vision: Model = { ...model, id: 'GLM-4.6V', upstreamId: 'glm-4.6v', vision: true }
const image: ImagePart = { type: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'AAAA' } }
const weather: Tool = {
  name: 'get_weather',
  description: 'Weather of a city',
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
}

interface SetUp {
  options?: Partial<ZaiWebOptions>
  client?: ChatZaiOptions
  uuids?: string[]
}

function setUp({ options = {}, client = {}, uuids = [] }: SetUp = {}) {
  const clock = manualClock()
  const zai = chatZai({ ...client, now: clock.now })
  const notes: string[] = []
  const logged: string[] = []
  let serial = 0
  const newUuid = () => uuids.shift() ?? `00000000-0000-4000-8000-${String(++serial).padStart(12, '0')}`
  const log = (_level: string, message: string) => void logged.push(message)
  const make = (more: Partial<ZaiWebOptions> = {}, fetch = zai.fetch) =>
    zaiWeb({ ...defaults, ...options, ...more }, { ...lending(clock), fetch, clock, newUuid, log })
  const call = (more: Partial<ChatRequest> = {}, callMore: Partial<UpstreamCall> = {}): UpstreamCall => ({
    request: { ...request, ...more },
    model,
    signal: new AbortController().signal,
    caller: 'key',
    whole: false,
    bill: unpaidBill(more.sampling?.maxTokens),
    annotate: (note) => void notes.push(note),
    ...callMore,
  })
  return { clock, zai, notes, logged, make, call }
}

const defaults: ZaiWebOptions = { ...webDefaults, frontEndVersion: 'prod-fe-1.1.90', headersTimeoutMs: 30_000 }

const request = plainRequest({
  model: 'GLM-4.7',
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hello, GLM!' }] }],
  reasoning: { mode: 'on' },
})

const withImage = { messages: [{ role: 'user' as const, parts: [image] }] }

type Opening = ReturnType<ReturnType<typeof zaiWeb>['open']>

async function all(opened: Opening): Promise<Delta[]> {
  const source = fromTheStart(await opened)
  const deltas: Delta[] = []
  for (let batch = await readBatch(source); batch; batch = await readBatch(source)) deltas.push(...batch)
  return deltas
}

async function textOf(opened: Opening): Promise<string> {
  return (await all(opened)).map((delta) => (delta.type === 'text' ? delta.text : '')).join('')
}

function tokensTo(zai: ChatZai, route: string): (string | undefined)[] {
  return zai.to(route).map((seen) => seen.token)
}

const outdated = () => errorFrame({ code: 426, detail: 'Your client version (unknown) is outdated.' })
const captcha = () => errorFrame({ code: 'FRONTEND_CAPTCHA_REQUIRED', captcha_error_type: 'missing_param' })
const badSignature = () => json({ detail: '403: Signature validation failed: 签名验证失败' }, 400)
const unauthorized = () => json({ detail: '401 Unauthorized' }, 401)
const internal = () => errorFrame({ code: 'INTERNAL_ERROR', detail: 'Something broke.' })
const busy = () => errorFrame({ code: 429, detail: 'Your current concurrent conversation limit has been reached.' })
const empty = () => frames({ done: true, phase: 'done', delta_content: '' })
const firewall = () =>
  new Response('<!doctypehtml><title>405</title><a href="https://errors.aliyun.com/">', {
    status: 405,
    headers: { 'content-type': 'text/html' },
  })

test('a call matches what the browser sends, from the query to the signature', async () => {
  const { zai, make, call } = setUp({
    uuids: [recorded.body.id, recorded.body.current_user_message_id, recorded.query.requestId],
  })
  const guest = { id: recorded.query.user_id, name: 'Guest-1760000000000', role: 'guest', email: 'guest-1@guest.com' }
  zai.script(auths, json({ ...guest, token: recorded.query.token }))
  zai.script(chats, json({ chat: { id: recorded.body.chat_id } }))
  zai.script(completionRoute, answer('Hello'))
  await all(make().open(call()))
  const [seen] = zai.to(completionRoute)
  expect(seen?.query).toEqual(recorded.query)
  expect(seen?.headers).toMatchObject(recorded.headers)
  expect(seen?.body).toEqual(recorded.body)
})

test('the reply is decoded to its finish without a retry', async () => {
  const { make, call, notes } = setUp()
  const deltas = await all(make().open(call()))
  const usage = { inputTokens: 9, outputTokens: 4 }
  expect(deltas.filter(({ type }) => type !== 'text')).toEqual([
    { type: 'usage', usage: expect.objectContaining(usage) },
    { type: 'finish', reason: 'stop' },
  ])
  expect(notes).toEqual([])
})

test.each([
  ['an outdated front end', outdated, 'new-version', 'upstream_client_outdated', 2],
  ['a firewall page', firewall, 'new-version', 'upstream_blocked', 2],
  ['a rejected signature', badSignature, 'new-version', 'upstream_signature_rejected', 2],
  ['a fault of the server', internal, 'again', 'upstream_error', 1],
  ['an HTTP 502', () => json({}, 502), 'again', 'upstream_error', 1],
  ['an empty reply', empty, 'again', 'upstream_empty_response', 1],
] as const)('%s is tried again once, in a new chat', async (_name, reply, recovery, code, pages) => {
  const { zai, make, call, notes } = setUp()
  zai.script(completionRoute, reply)
  expect(await textOf(make().open(call()))).toBe('Hello there.')
  expect(notes).toEqual([`retry (${recovery}) after ${code}`])
  expect(zai.to(chats)).toHaveLength(2)
  expect(zai.to(page)).toHaveLength(pages)
  expect(tokensTo(zai, auths)).toHaveLength(1)
})

test('a broken connection is retried once, and the log says that the call may have run', async () => {
  const { zai, make, call, notes } = setUp()
  zai.script(completionRoute, () => Promise.reject(new TypeError('reset')))
  expect(await textOf(make().open(call()))).toBe('Hello there.')
  expect(notes).toEqual(['retry (again) after upstream_unavailable, which may have been carried out'])
})

test.each([
  ['an outdated front end', outdated, 'upstream_client_outdated'],
  ['a firewall page', firewall, 'upstream_blocked'],
  ['a rejected signature', badSignature, 'upstream_signature_rejected'],
  ['an empty reply', empty, 'upstream_empty_response'],
] as const)('%s a second time is told', async (_name, reply, code) => {
  const { zai, make, call } = setUp()
  zai.script(completionRoute, reply, reply)
  await expect(make().open(call())).rejects.toMatchObject({ code })
  expect(zai.to(completionRoute)).toHaveLength(2)
})

test('after an outdated front end the new version is sent', async () => {
  const { zai, make, call } = setUp()
  zai.script(page, new Response(indexPage('prod-fe-1.1.98')), new Response(indexPage('prod-fe-1.1.99')))
  zai.script(completionRoute, outdated)
  await all(make().open(call()))
  expect(zai.to(completionRoute).map(({ headers }) => headers['x-fe-version'])).toEqual([
    'prod-fe-1.1.98',
    'prod-fe-1.1.99',
  ])
})

test('a captcha is not retried', async () => {
  const { zai, make, call, notes } = setUp()
  zai.script(completionRoute, captcha)
  await expect(make().open(call())).rejects.toMatchObject({ kind: 'upstream-blocked', code: 'captcha_required' })
  expect(zai.to(completionRoute)).toHaveLength(1)
  expect(notes).toEqual([])
})

test('a third different failure is not retried', async () => {
  const { zai, make, call, notes } = setUp()
  zai.script(completionRoute, outdated, internal, unauthorized)
  await expect(make().open(call())).rejects.toMatchObject({ code: 'upstream_auth_failed' })
  expect(notes).toHaveLength(2)
})

test('a refused guest is replaced by a new one', async () => {
  const { zai, make, call } = setUp()
  zai.script(completionRoute, unauthorized)
  expect(await textOf(make().open(call()))).toBe('Hello there.')
  const [first, second] = tokensTo(zai, completionRoute)
  expect(second).not.toBe(first)
})

test('a refused user token is suspended, and the next one is used', async () => {
  const { zai, make, call, logged } = setUp()
  const [alice, bob] = [zai.addAccount('Alice'), zai.addAccount('Bob')]
  const web = make({ tokens: [alice, bob], anonymous: false })
  zai.script(completionRoute, unauthorized)
  await all(web.open(call()))
  await all(web.open(call()))
  expect(tokensTo(zai, completionRoute)).toEqual([alice, bob, bob])
  expect(logged).toEqual([expect.stringContaining('Token 1 of ZAI_TOKEN')])
})

test('the refusal of the only user token is reported', async () => {
  const { zai, make, call } = setUp()
  const web = make({ tokens: [zai.addAccount('Alice')], anonymous: false })
  zai.script(completionRoute, unauthorized)
  await expect(web.open(call())).rejects.toMatchObject({ kind: 'upstream-auth', code: 'upstream_auth_failed' })
  expect(zai.to(completionRoute)).toHaveLength(1)
})

test('a busy account is replaced by another one and stays in use', async () => {
  const { zai, clock, make, call } = setUp()
  const [alice, bob] = [zai.addAccount('Alice'), zai.addAccount('Bob')]
  const web = make({ tokens: [alice, bob] })
  zai.script(completionRoute, busy)
  await all(web.open(call()))
  clock.advance(10_000)
  await all(web.open(call()))
  expect(tokensTo(zai, completionRoute)).toEqual([alice, bob, alice])
})

test('a busy guest makes the call wait: no new guest is created to evade the limit', async () => {
  const { zai, clock, make, call, notes } = setUp()
  zai.script(completionRoute, busy)
  const opened = textOf(make().open(call()))
  await settle()
  expect(zai.to(completionRoute)).toHaveLength(1)
  clock.advance(10_000)
  expect(await opened).toBe('Hello there.')
  expect(zai.to(auths)).toHaveLength(1)
  expect(notes).toEqual(['guest: rate_limit_exceeded', 'waited 10 s for guest'])
})

test('a site that stays busy is an error once the wait is over', async () => {
  const { zai, clock, make, call } = setUp()
  zai.script(completionRoute, ...Array.from({ length: 9 }, () => busy))
  const opened = make().open(call())
  const told = opened.catch((thrown: unknown) => thrown)
  for (let second = 0; second <= 120; second++) {
    await settle()
    clock.advance(1_000)
  }
  expect(await told).toMatchObject({ kind: 'rate-limited', retryAfterMs: 10_000 })
  expect(zai.to(completionRoute)).toHaveLength(4)
})

test('a failure in the middle of a reply is its last delta and is not retried', async () => {
  const { zai, make, call } = setUp()
  const text = 'A beginning that is long enough to be sent at once, before anything else comes.'
  zai.script(completionRoute, () => {
    const frame = (data: object) => `data: ${JSON.stringify({ type: 'chat:completion', data })}\n\n`
    const parts = [
      frame({ delta_content: text, phase: 'answer' }),
      frame({ error: { code: 'INTERNAL_ERROR', detail: 'x' }, done: true }),
    ]
    return eventStream(
      new ReadableStream<Uint8Array>({
        async pull(controller) {
          await settle() // a network read of its own for each frame
          const part = parts.shift()
          if (part === undefined) controller.close()
          else controller.enqueue(new TextEncoder().encode(part))
        },
      }),
    )
  })
  const deltas = await all(make().open(call()))
  expect(deltas.at(0)?.type).toBe('text')
  expect(deltas.at(-1)).toMatchObject({ type: 'error', error: { code: 'upstream_error' } })
  expect(zai.to(completionRoute)).toHaveLength(1)
})

test('creating chats can be switched off', async () => {
  const { zai, make, call } = setUp({ options: { createChat: false } })
  expect(await textOf(make().open(call()))).toBe('Hello there.')
  expect(zai.to(chats)).toHaveLength(0)
  expect(fieldOf(zai.to(completionRoute)[0]?.body, 'chat_id')).toMatch(/^00000000-/)
})

test.each([
  ['a refusal', () => json({ detail: 'No' }, 400), 'upstream_error'],
  ['an answer without an id', () => json({ nothing: true }), 'upstream_malformed'],
])('a failure to create a chat is reported with its cause: %s', async (_name, reply, code) => {
  const { zai, make, call } = setUp()
  zai.script(chats, reply, reply)
  await expect(make().open(call())).rejects.toMatchObject({ code })
  expect(zai.to(completionRoute)).toHaveLength(0)
})

test('the completion path can be configured', async () => {
  const completionPath = '/api/chat/completions'
  const { zai, make, call } = setUp({ options: { completionPath }, client: { completionPath } })
  expect(await textOf(make().open(call()))).toBe('Hello there.')
  expect(zai.to(`POST ${completionPath}`)).toHaveLength(1)
})

test('signing can be switched off, with query and signed prompt', async () => {
  const { zai, make, call } = setUp({ options: { sign: false } })
  zai.signed = false
  await all(make().open(call()))
  const [seen] = zai.to(completionRoute)
  expect(seen?.query).toEqual({})
  expect(seen?.headers).not.toHaveProperty('x-signature')
  expect(seen?.body).not.toHaveProperty('signature_prompt')
})

test.each([
  ['read to its end', async (opened: Opening) => void (await all(opened))],
  [
    'cancelled',
    async (opened: Opening) => {
      const source = fromTheStart(await opened)
      source.cancel()
      source.cancel()
    },
  ],
])("a guest's chats are deleted once the reply was %s", async (_name, consume) => {
  const { zai, make, call } = setUp()
  await consume(make().open(call()))
  await settle()
  expect(tokensTo(zai, cleanup)).toEqual(tokensTo(zai, auths).map(() => zai.to(completionRoute)[0]?.token))
})

test("a guest's chats stay while another of its calls is under way", async () => {
  const { zai, make, call } = setUp()
  const web = make()
  const goingOn = () => {
    const frame = { type: 'chat:completion', data: { delta_content: 'A long beginning. '.repeat(5), phase: 'answer' } }
    return eventStream(
      new ReadableStream({ start: (c) => c.enqueue(Buffer.from(`data: ${JSON.stringify(frame)}\n\n`)) }),
    )
  }
  zai.script(completionRoute, goingOn, goingOn)
  const [one, two] = await Promise.all([web.open(call()), web.open(call())])
  one.rest.cancel()
  await settle()
  expect(zai.to(cleanup)).toHaveLength(0)
  two.rest.cancel()
  await settle()
  expect(zai.to(cleanup)).toHaveLength(1)
})

test('a failed call releases its guest', async () => {
  const { zai, make, call } = setUp()
  zai.script(completionRoute, captcha)
  await make()
    .open(call())
    .catch(() => {})
  await settle()
  expect(zai.to(cleanup)).toHaveLength(1)
})

test.each([['user'], ['backup']])("a %s's chats are never deleted", async (kind) => {
  const { zai, make, call } = setUp()
  const token = zai.addAccount('Alice')
  const web = kind === 'user' ? make({ tokens: [token] }) : make({ backupToken: token, anonymous: false })
  await all(web.open(call()))
  zai.script(completionRoute, captcha)
  await web.open(call()).catch(() => {})
  await settle()
  expect(tokensTo(zai, completionRoute)).toEqual([token, token])
  expect(zai.to(cleanup)).toHaveLength(0)
})

test('an image is uploaded under the account and added to the message', async () => {
  const { zai, make, call } = setUp()
  const token = zai.addAccount('Alice')
  await all(make({ tokens: [token] }).open(call(withImage, { model: vision })))
  expect(tokensTo(zai, files)).toEqual([token])
  expect(zai.to(completionRoute)[0]?.body).toMatchObject({
    messages: [
      {
        role: 'user',
        content: [{ type: 'text' }, { type: 'image_url', image_url: { url: expect.stringMatching(/^0f0f/) } }],
      },
    ],
    files: [{ type: 'image', status: 'uploaded' }],
  })
})

test.each([
  ['a guest', vision, []],
  ['a model that cannot see', model, ['some-token']],
] as const)('an image for %s is refused before the site is asked', async (_name, asked, tokens) => {
  const { zai, make, call } = setUp()
  await expect(make({ tokens: [...tokens] }).open(call(withImage, { model: asked }))).rejects.toMatchObject({
    kind: 'invalid-request',
    code: 'image_not_supported',
    param: 'messages',
  })
  expect(zai.seen).toHaveLength(0)
})

test('an image is uploaded once, and again after an error of the site', async () => {
  const { zai, make, call } = setUp()
  const web = make({ tokens: [zai.addAccount('Alice')] })
  const sent = async () => {
    await all(web.open(call(withImage, { model: vision })))
    return JSON.stringify(fieldOf(zai.to(completionRoute).at(-1)?.body, 'messages'))
  }
  const first = await sent()
  expect(await sent()).toBe(first)
  expect(zai.to(files)).toHaveLength(1)
  zai.script(completionRoute, json({ detail: 'file not found' }, 404))
  expect(await sent()).not.toBe(first)
  expect(zai.to(files)).toHaveLength(2)
})

test('with an image the backup account comes before any guest', async () => {
  const { zai, make, call } = setUp()
  const token = zai.addAccount('Backup')
  await all(make({ backupToken: token }).open(call(withImage, { model: vision })))
  expect(tokensTo(zai, completionRoute)).toEqual([token])
})

test('declared tools are described in the prompt, and a written call in the reply becomes a call', async () => {
  const { zai, make, call } = setUp()
  zai.script(completionRoute, answer('<tool_call>{"name":"get_weather",', '"arguments":{"city":"Rome"}}</tool_call>'))
  const deltas = await all(make().open(call({ tools: [weather] })))
  expect(deltas.find(({ type }) => type === 'tool-call')).toMatchObject({ name: 'get_weather' })
  const body = zai.to(completionRoute)[0]?.body
  expect(fieldOf(body, 'signature_prompt')).toContain('get_weather')
})

const forecast: Tool = { name: 'forecast', description: 'Weather of tomorrow', parameters: { type: 'object' } }
const callOf = (name: string) => `<tool_call>{"name":"${name}","arguments":{"city":"Rome"}}</tool_call>`
const afterResult: ChatRequest['messages'] = [
  ...request.messages,
  { role: 'assistant', parts: [{ type: 'tool-call', id: 'call_1', name: 'get_weather', arguments: '{}' }] },
  { role: 'tool', callId: 'call_1', parts: [{ type: 'text', text: 'Sunny' }], isError: false },
]

describe.each([
  ['whole reply', true],
  ['stream', false],
])('a %s that must hold a tool call', (_name, whole) => {
  type Choice = ChatRequest['toolChoice']
  test.each<[string, Choice, string[], number, string | undefined]>([
    ['and holds none is asked for once more', 'required', ['No.', callOf('get_weather')], 2, 'get_weather'],
    ['is not asked for a third time', 'required', ['No.', 'Never.'], 2, undefined],
    ['and holds it is asked for once', 'required', [`Well. ${callOf('get_weather')}`], 1, 'get_weather'],
    [
      'of one tool is not served by another',
      { name: 'forecast' },
      [callOf('get_weather'), callOf('forecast')],
      2,
      'forecast',
    ],
  ])('%s', async (_name, toolChoice, answers, completions, called) => {
    const { zai, make, call, notes } = setUp()
    for (const text of answers) zai.script(completionRoute, answer(...(text.match(/.{1,8}/gs) ?? [])))
    const deltas = await all(make().open(call({ tools: [weather, forecast], toolChoice }, { whole })))
    expect(deltas.flatMap((delta) => (delta.type === 'tool-call' ? [delta.name] : []))).toEqual(called ? [called] : [])
    expect(deltas.at(-1)?.type).toBe('finish')
    expect(zai.to(completionRoute)).toHaveLength(completions)
    expect(notes).toEqual(completions === 2 ? ['retry (force-tool-call) after a reply without a call'] : [])
  })

  test('may end without one after a tool result', async () => {
    const { zai, make, call } = setUp()
    const opened = make().open(call({ messages: afterResult, tools: [weather], toolChoice: 'required' }, { whole }))
    expect(await textOf(opened)).toBe('Hello there.')
    expect(zai.to(completionRoute)).toHaveLength(1)
  })
})

test('a stream that must hold a tool call is held until the call begins, and not beyond 4,000 characters', async () => {
  const { zai, make, call } = setUp()
  const word = 'word '.repeat(100)
  const said = Array.from({ length: 12 }, () => ({ delta_content: word, phase: 'answer' }))
  let more: ReadableStreamDefaultController<Uint8Array> | undefined
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      more = controller
    },
  })
  zai.script(completionRoute, () => eventStream(body))
  const opened = make().open(call({ tools: [weather], toolChoice: 'required' }))
  for (const [index, data] of said.entries()) {
    await settle()
    expect([index, Bun.peek.status(opened)]).toEqual([index, index > 8 ? 'fulfilled' : 'pending'])
    more?.enqueue(new TextEncoder().encode(`data: ${JSON.stringify({ type: 'chat:completion', data })}\n\n`))
  }
  more?.close()
  expect((await textOf(opened)).length).toBeGreaterThan(4_000)
  expect(zai.to(completionRoute)).toHaveLength(1)
})

test('tools that are switched off are neither described nor searched for', async () => {
  const { zai, make, call } = setUp({ options: { tools: false } })
  const text = '<tool_call>{"name":"get_weather","arguments":{}}</tool_call>'
  zai.script(completionRoute, answer(text))
  const web = make()
  expect(await textOf(web.open(call({ tools: [weather] })))).toBe(text)
  expect(fieldOf(zai.to(completionRoute)[0]?.body, 'signature_prompt')).toBe('Hello, GLM!')
})

test.each([
  ['nothing, as a rule', true, {}, []],
  ['nothing where tools are told in prose', true, { tools: [weather], toolChoice: 'required' as const }, []],
  ['tools where they are switched off', false, { tools: [weather] }, ['tools']],
  ['the choice among them too', false, { tools: [weather], toolChoice: 'required' as const }, ['tools', 'tool_choice']],
  [
    'documents',
    true,
    {
      messages: [
        {
          role: 'user' as const,
          parts: [{ type: 'document' as const, source: { type: 'url' as const, url: 'https://example.com' } }],
        },
      ],
    },
    ['documents'],
  ],
  [
    'where to search',
    true,
    {
      search: true,
      searchRules: {
        ...{ chosen: false, allowedDomains: ['a.example'], blockedDomains: ['b.example'] },
        options: { count: 5, engine: 'search_pro' },
      },
    },
    ['web_search.allowed_domains', 'web_search.blocked_domains', 'web_search.search_engine', 'web_search.count'],
  ],
])('ignored fields: %s', (_name, tools, asked, expected) => {
  const { make } = setUp()
  expect(make({ tools }).ignored({ ...request, ...asked }, model)).toEqual(expected)
})

test('the upstream is ready if an account is available', async () => {
  const { make } = setUp()
  const { signal } = new AbortController()
  await make().check(signal)
  await expect(make({ anonymous: false }).check(signal)).rejects.toMatchObject({ kind: 'upstream-auth' })
})

test('an abort during reasoning ends the call', async () => {
  const { zai, make, call } = setUp()
  const client = new AbortController()
  zai.script(completionRoute, () => new Promise<Response>(() => {}))
  const opened = make().open(call({}, { signal: client.signal }))
  await settle()
  client.abort()
  await expect(opened).rejects.toMatchObject({ kind: 'cancelled' })
  await settle()
  expect(zai.to(completionRoute)).toHaveLength(1)
  expect(zai.to(cleanup)).toHaveLength(1)
})

test('an abort before the headers closes the connection to the site', async () => {
  const { zai, make, call } = setUp()
  const server = zai.listen()
  stops.push(server.stop)
  const client = new AbortController()
  const closed = Promise.withResolvers<void>()
  zai.script(completionRoute, ({ signal }) => {
    signal.addEventListener('abort', () => closed.resolve())
    client.abort()
    return new Promise<Response>(() => {})
  })
  const opened = make({ baseUrl: server.url }, fetch).open(call({}, { signal: client.signal }))
  await expect(opened).rejects.toMatchObject({ kind: 'cancelled' })
  await closed.promise
})

test('cancelling a reply closes the connection to the site', async () => {
  const { zai, make, call } = setUp()
  const server = zai.listen()
  stops.push(server.stop)
  const closed = Promise.withResolvers<void>()
  zai.script(completionRoute, ({ signal }) => {
    signal.addEventListener('abort', () => closed.resolve())
    const frame = { type: 'chat:completion', data: { delta_content: 'A long beginning. '.repeat(5), phase: 'answer' } }
    return eventStream(new ReadableStream({ start: (c) => c.enqueue(`data: ${JSON.stringify(frame)}\n\n`) }))
  })
  const source = fromTheStart(await make({ baseUrl: server.url }, fetch).open(call()))
  expect((await readBatch(source))?.[0]?.type).toBe('text')
  source.cancel()
  expect(await readBatch(source)).toBeUndefined()
  await closed.promise
})

test('no error holds a token, a signature or a query', async () => {
  const { zai, make, call } = setUp()
  const token = zai.addAccount('Alice')
  const refusing = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('') })
  const { port } = refusing
  await refusing.stop(true)
  // All requests succeed except the completion, which goes to a closed port: then Bun's error holds the URL.
  const fetcher: ChatZai['fetch'] = (url, init) =>
    url.includes('/completions')
      ? fetch(url.replace('https://chat.z.ai', `http://127.0.0.1:${port}`), init)
      : zai.fetch(url, init)
  const error: unknown = await make({ tokens: [token] }, fetcher)
    .open(call())
    .catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'upstream_unavailable' })
  expect(Bun.inspect(error)).not.toContain(token)
  expect(Bun.inspect(error)).not.toContain('signature_timestamp=')
})

test.each([
  ['before its first word', []],
  ['in the middle', ['A long beginning. '.repeat(5)]],
])('nor does the error of a reply that breaks %s', async (_name, texts) => {
  const secret = crypto.randomUUID()
  const { zai, make, call } = setUp()
  const breaking = () => {
    const parts = texts.map((text) => ({ type: 'chat:completion', data: { delta_content: text, phase: 'answer' } }))
    return eventStream(
      new ReadableStream<Uint8Array>({
        async pull(body) {
          await settle() // a network read of its own for each part
          const part = parts.shift()
          if (part === undefined) body.error(Object.assign(new Error('reset'), { path: `/?token=${secret}` }))
          else body.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(part)}\n\n`))
        },
      }),
    )
  }
  zai.script(completionRoute, breaking, breaking)
  const told: unknown = await all(make().open(call())).catch((thrown: unknown) => thrown)
  expect(Bun.inspect(told, { depth: 9 })).toContain('upstream_truncated')
  expect(Bun.inspect(told, { depth: 9 })).not.toContain(secret)
})

test('cancelling an unread reply releases the guest', async () => {
  const { zai, make, call } = setUp()
  const client = new AbortController()
  await make().open(call({}, { signal: client.signal }))
  client.abort()
  await settle()
  expect(zai.to(cleanup)).toHaveLength(1)
})

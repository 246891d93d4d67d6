import { expect, test } from 'bun:test'
import { answer, completionRoute, eventStream, fieldOf, json } from '../../support/chat-zai.ts'
import recorded from './completion_request.json'
import { all, auths, chats, model, request, setUp, textOf, weather } from './opening.ts'
import { settle } from './support.ts'

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

import { expect, test } from 'bun:test'
import { completionRoute, errorFrame, eventStream } from '../../support/chat-zai.ts'
import { fromTheStart } from '../../support/replies.ts'
import { all, auths, captcha, cleanup, type Opening, setUp, textOf, tokensTo, unauthorized } from './opening.ts'
import { settle } from './support.ts'

const busy = () => errorFrame({ code: 429, detail: 'Your current concurrent conversation limit has been reached.' })

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

test('cancelling an unread reply releases the guest', async () => {
  const { zai, make, call } = setUp()
  const client = new AbortController()
  await make().open(call({}, { signal: client.signal }))
  client.abort()
  await settle()
  expect(zai.to(cleanup)).toHaveLength(1)
})

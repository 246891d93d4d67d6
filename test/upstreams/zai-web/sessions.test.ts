import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { GatewayError } from '../../../src/core/errors.ts'
import type { Sessions } from '../../../src/upstreams/zai-web/sessions/index.ts'
import type { SessionLease } from '../../../src/upstreams/zai-web/sessions/session-lease.ts'
import { json, jwt, type Seen } from '../../support/chat-zai.ts'
import { runs } from '../../support/effort.ts'
import { pool, settle, signal, wanted } from './support.ts'

const auths = 'GET /api/v1/auths/'
const cleanup = 'DELETE /api/v1/chats/'

const notAccepted = new GatewayError('upstream-auth', 'not accepted')
const busy = new GatewayError('rate-limited', 'concurrency-limited')

const enter = (sessions: Sessions) => sessions.queueForSession(wanted()).acquire()
const session = async (sessions: Sessions) => (await enter(sessions)).session

test('a guest is minted without a token and without cookies, and reused until its time is over', async () => {
  const { zai, clock, open } = pool()
  const sessions = open()
  const first = await session(sessions)
  clock.advance(479_999)
  expect(await session(sessions)).toBe(first)
  clock.advance(1)
  const second = await session(sessions)
  expect([first.kind, second.kind]).toEqual(['guest', 'guest'])
  expect(second.token).not.toBe(first.token)
  expect(zai.to(auths).map(({ token, headers }) => [token, headers.cookie])).toEqual([
    [undefined, undefined],
    [undefined, undefined],
  ])
})

test('a guest is who its token says it is', async () => {
  const { zai, open } = pool()
  zai.script(
    auths,
    json({ id: 'of-the-body', token: jwt({ user_id: 'of-the-token' }), name: 'Guest-7', role: 'guest' }),
  )
  expect(await open().peek(signal)).toMatchObject({ userId: 'of-the-token', userName: 'Guest-7' })
})

test('a token that is no JWT leaves the user id to the answer', async () => {
  const { zai, open } = pool()
  zai.script(auths, json({ id: 'of-the-body', token: 'opaque', role: 'guest' }))
  expect(await open().peek(signal)).toMatchObject({ userId: 'of-the-body' })
})

test('requests at the same time share one minting', async () => {
  const { zai, open } = pool()
  const sessions = open()
  const [one, two] = await Promise.all([session(sessions), session(sessions)])
  expect(one).toBe(two)
  expect(zai.to(auths)).toHaveLength(1)
})

test('a refused guest is replaced, and refusing it twice spares its successor', async () => {
  const { zai, open } = pool()
  const sessions = open()
  const [refused, refusedToo] = [await enter(sessions), await enter(sessions)]
  refused.reportFailure('invalid-credential', notAccepted)
  const next = await session(sessions)
  refusedToo.reportFailure('invalid-credential', notAccepted)
  expect(next.token).not.toBe(refused.session.token)
  expect(await session(sessions)).toBe(next)
  expect(zai.to(auths)).toHaveLength(2)
})

test('user tokens take turns and come before guests', async () => {
  const { zai, open } = pool()
  const [alice, bob] = [zai.addAccount('Alice'), zai.addAccount('Bob')]
  const sessions = open({ tokens: [alice, bob] })
  const order = [await sessions.peek(signal), await sessions.peek(signal), await sessions.peek(signal)]
  expect(order.map(({ userName }) => userName)).toEqual(['Alice', 'Bob', 'Alice'])
})

test('a user token is checked on first use and again after half an hour', async () => {
  const { zai, clock, open } = pool()
  const sessions = open({ tokens: [zai.addAccount('Alice')] })
  await sessions.peek(signal)
  clock.advance(30 * 60_000 - 1)
  await sessions.peek(signal)
  expect(zai.to(auths)).toHaveLength(1)
  clock.advance(1)
  await sessions.peek(signal)
  expect(zai.to(auths)).toHaveLength(2)
})

test('the token that comes back takes the place of the one sent', async () => {
  const { zai, clock, open } = pool()
  const token = zai.addAccount('Alice')
  const sessions = open({ tokens: [token] })
  await sessions.peek(signal)
  zai.rollOver(token)
  clock.advance(30 * 60_000)
  const rolled = await sessions.peek(signal)
  expect(rolled.token).not.toBe(token)
  clock.advance(30 * 60_000)
  expect((await sessions.peek(signal)).token).toBe(rolled.token)
  expect(zai.to(auths).map((seen) => seen.token)).toEqual([token, token, rolled.token])
})

test('a user token answered with a guest is dead; the guest is not taken in its place', async () => {
  const { zai, logged, open } = pool()
  const token = zai.addAccount('Alice')
  zai.revoke(token)
  const sessions = open({ tokens: [token], anonymous: false })
  expect(sessions.peek(signal)).rejects.toMatchObject({
    kind: 'upstream-auth',
    message: expect.stringContaining('ZAI_TOKEN'),
  })
  await settle()
  expect(logged).toEqual([expect.stringContaining('Token 1 of ZAI_TOKEN is not accepted any more')])
  expect(logged.join()).not.toContain(token)
})

test('a firewall page instead of an answer condemns no token, and a minute later the site is asked again', async () => {
  const { zai, clock, open } = pool()
  const token = zai.addAccount('Alice')
  zai.script(auths, new Response('<html>405</html>', { status: 403, headers: { 'content-type': 'text/html' } }))
  const sessions = open({ tokens: [token] })
  expect(await sessions.peek(signal)).toMatchObject({ kind: 'user', token })
  clock.advance(59_999)
  await sessions.peek(signal)
  expect(zai.to(auths)).toHaveLength(1)
  clock.advance(1)
  await sessions.peek(signal)
  expect(zai.to(auths)).toHaveLength(2)
})

test('requests at the same time share the check of a token', async () => {
  const { zai, open } = pool()
  const token = zai.addAccount('Alice')
  zai.revoke(token)
  const sessions = open({ tokens: [token] })
  const kinds = (await Promise.all([sessions.peek(signal), sessions.peek(signal)])).map(({ kind }) => kind)
  expect(kinds).toEqual(['guest', 'guest'])
  expect(zai.to(auths).filter((seen) => seen.token === token)).toHaveLength(1)
})

test('a refused token is passed over and looked at again after half an hour', async () => {
  const { zai, clock, open } = pool()
  const [alice, bob] = [zai.addAccount('Alice'), zai.addAccount('Bob')]
  const sessions = open({ tokens: [alice, bob] })
  const first = await enter(sessions)
  first.reportFailure('invalid-credential', notAccepted)
  const names = [await session(sessions), await sessions.peek(signal)].map(({ userName }) => userName)
  expect(names).toEqual(['Bob', 'Bob'])
  clock.advance(30 * 60_000)
  const later = [await session(sessions), await session(sessions)].map(({ userName }) => userName)
  expect(later.toSorted()).toEqual(['Alice', 'Bob'])
})

test('with every user token dead a guest steps in, and the log says so once', async () => {
  const { zai, logged, open } = pool()
  const token = zai.addAccount('Alice')
  zai.revoke(token)
  const sessions = open({ tokens: [token] })
  expect((await sessions.peek(signal)).kind).toBe('guest')
  expect((await sessions.peek(signal)).kind).toBe('guest')
  expect(logged.filter((line) => line.includes('as a guest'))).toHaveLength(1)
})

test.each([
  ['after user tokens, where guests are off', { anonymous: false }, 0],
  ['after guests that could not be minted', { anonymous: true }, 1],
])('the backup token comes last: %s', async (_name, options, mintings) => {
  const { zai, open } = pool()
  const dead = zai.addAccount('Alice')
  const backup = zai.addAccount('Backup')
  const sessions = open({ ...options, tokens: [dead], backupToken: backup })
  zai.revoke(dead)
  zai.script(auths, json({ detail: 'no' }, 401), ...(mintings ? [json({ detail: 'concurrency-limited' }, 503)] : []))
  expect(await sessions.peek(signal)).toMatchObject({ kind: 'backup', token: backup })
})

test('without any token and without guests the error says what to set', () => {
  const { open } = pool()
  expect(open({ anonymous: false }).peek(signal)).rejects.toMatchObject({
    kind: 'upstream-auth',
    status: 403,
    message: expect.stringMatching(/ZAI_TOKEN.*ANONYMOUS_MODE/),
  })
})

test('a busy account keeps its calls: they wait, and no guest steps in', async () => {
  const { zai, clock, open } = pool()
  const sessions = open({ tokens: [zai.addAccount('Alice')] })
  const queue = sessions.queueForSession(wanted())
  const first = await queue.acquire()
  first.reportFailure('concurrency-limited', busy)
  const second = queue.acquire()
  await settle()
  clock.advance(9_999)
  expect(await Promise.race([second, settle().then(() => 'waiting')])).toBe('waiting')
  clock.advance(1)
  expect((await second).session.kind).toBe('user')
})

test('a guest is not chosen for what guests may not do', async () => {
  const { zai, open } = pool()
  const sessions = open({ tokens: [zai.addAccount('Alice')] })
  const alice = await enter(sessions)
  alice.reportFailure('invalid-credential', notAccepted)
  expect((await session(sessions)).kind).toBe('guest')
  await expect(sessions.queueForSession(wanted(false)).acquire()).rejects.toBe(notAccepted)
})

test("a guest's chats are deleted when the last of its calls is over", async () => {
  const { zai, open } = pool()
  const sessions = open()
  const [guest, other] = [await enter(sessions), await enter(sessions)]
  guest.release()
  guest.release()
  await settle()
  expect(zai.to(cleanup)).toHaveLength(0)
  other.release()
  await settle()
  expect(zai.to(cleanup).map(({ token }) => token)).toEqual([guest.session.token])
})

test('a request does not wait for a deletion: another guest takes it, and the two take turns', async () => {
  const { zai, open } = pool()
  const sessions = open()
  const deletions = [Promise.withResolvers<Response>(), Promise.withResolvers<Response>()] as const
  zai.script(
    cleanup,
    ...deletions.map(
      ({ promise }) =>
        () =>
          promise,
    ),
  )
  const first = await enter(sessions)
  first.release()
  const second = await enter(sessions)
  expect(second.session.token).not.toBe(first.session.token)
  deletions[0].resolve(json({ detail: 'failed, and nobody minds' }, 500))
  await settle()
  second.release()
  await settle()
  expect((await enter(sessions)).session).toBe(first.session)
  expect(zai.to(cleanup).map(({ token }) => token)).toEqual([first.session.token, second.session.token])
  expect(zai.to(auths)).toHaveLength(2)
})

test('while a deletion hangs one other guest takes all requests, and has its chats deleted next', async () => {
  const { zai, clock, open } = pool()
  const sessions = open()
  zai.script(cleanup, () => new Promise(() => {}))
  const first = await enter(sessions)
  first.release()
  const tokens = new Set<string>()
  for (let request = 0; request < 20; request++) {
    const stay = await enter(sessions)
    tokens.add(stay.session.token)
    stay.release()
    await settle()
  }
  const [second = ''] = tokens
  expect(tokens).toEqual(new Set([second]))
  expect(zai.to(auths)).toHaveLength(2)
  expect(zai.to(cleanup)).toHaveLength(1)
  clock.advance(5_000)
  await settle()
  expect(zai.to(cleanup).map(({ token }) => token)).toEqual([first.session.token, second])
  expect((await enter(sessions)).session).toBe(first.session)
})

test('a guest whose time is over has its chats deleted, too, once they have ended', async () => {
  const { zai, clock, open } = pool()
  const sessions = open()
  const old = await enter(sessions)
  clock.advance(480_000)
  const fresh = await enter(sessions)
  expect(zai.to(cleanup)).toHaveLength(0)
  old.release()
  await settle()
  expect(zai.to(cleanup).map(({ token }) => token)).toEqual([old.session.token])
  expect((await enter(sessions)).session).toBe(fresh.session)
})

test('a guest that is refused by the last of its calls is not used again', async () => {
  const { zai, open } = pool()
  const sessions = open()
  const refused = await enter(sessions)
  refused.reportFailure('invalid-credential', notAccepted)
  await settle()
  const next = await enter(sessions)
  next.release()
  await settle()
  const sessionsSeen = [await session(sessions), await session(sessions)]
  expect(sessionsSeen).not.toContain(refused.session)
  expect(zai.to(auths).length).toBeLessThanOrEqual(3)
})

const step = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ do: 'enter' as const, nth: 0 }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('leave' as const), nth: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('deleted' as const), nth: fc.nat(2) }) },
  fc.constant({ do: 'late' as const, nth: 0 }),
)

test('whatever happens: nobody waits for a deletion, none takes a chat that runs, and guests are few', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { zai, clock, open } = pool()
      const sessions = open()
      const running = new Map<SessionLease, string>()
      const deleting: { token: string | undefined; done: () => void }[] = []
      const faults: string[] = []
      const deletion = (seen: Seen) => {
        if ([...running.values()].includes(seen.token ?? '')) faults.push('a chat under way was deleted')
        const { promise, resolve } = Promise.withResolvers<Response>()
        deleting.push({ token: seen.token, done: () => resolve(json(true)) })
        return promise
      }
      zai.script(cleanup, ...steps.map(() => deletion))
      for (const { do: act, nth } of steps) {
        if (act === 'enter') {
          const stay = await enter(sessions)
          if (deleting.some(({ token }) => token === stay.session.token)) faults.push('a chat began under a deletion')
          running.set(stay, stay.session.token)
        }
        const stay = [...running.keys()][nth % Math.max(1, running.size)]
        if (act === 'leave' && stay !== undefined) {
          running.delete(stay)
          stay.release()
        }
        if (act === 'deleted') deleting.splice(nth % Math.max(1, deleting.length), 1)[0]?.done()
        if (act === 'late') {
          deleting.splice(0)
          clock.advance(5_000)
        }
        await settle()
      }
      expect(faults).toEqual([])
      expect(zai.to(auths).length).toBeLessThanOrEqual(2)
    }),
    { numRuns: runs(60) },
  )
})

test.each([['user'], ['backup']])("the chats of a %s's account are never deleted", async (kind) => {
  const { zai, open } = pool()
  const token = zai.addAccount('Alice')
  const sessions = open(kind === 'user' ? { tokens: [token] } : { backupToken: token, anonymous: false })
  const stay = await enter(sessions)
  expect(stay.session.kind).toBe(kind === 'user' ? 'user' : 'backup')
  stay.release()
  await settle()
  expect(zai.to(cleanup)).toHaveLength(0)
})

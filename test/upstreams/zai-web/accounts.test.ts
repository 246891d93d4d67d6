import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { GatewayError } from '../../../src/core/errors.ts'
import type { AccountLease } from '../../../src/upstreams/zai-web/accounts/account-lease.ts'
import type { WebAccounts } from '../../../src/upstreams/zai-web/accounts/index.ts'
import { json, jwt, type Seen } from '../../support/chat-zai.ts'
import { runs } from '../../support/effort.ts'
import { pool, settle, signal, wanted } from './support.ts'

const auths = 'GET /api/v1/auths/'
const cleanup = 'DELETE /api/v1/chats/'

const notAccepted = new GatewayError('upstream-auth', 'not accepted')
const busy = new GatewayError('rate-limited', 'concurrency-limited')

const enter = (accounts: WebAccounts) => accounts.queueForAccount(wanted()).acquire()
const account = async (accounts: WebAccounts) => (await enter(accounts)).account

test('a guest is minted without a token and without cookies, and reused until its time is over', async () => {
  const { zai, clock, open } = pool()
  const accounts = open()
  const first = await account(accounts)
  clock.advance(479_999)
  expect(await account(accounts)).toBe(first)
  clock.advance(1)
  const second = await account(accounts)
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
  const accounts = open()
  const [one, two] = await Promise.all([account(accounts), account(accounts)])
  expect(one).toBe(two)
  expect(zai.to(auths)).toHaveLength(1)
})

test('a refused guest is replaced, and refusing it twice spares its successor', async () => {
  const { zai, open } = pool()
  const accounts = open()
  const [refused, refusedToo] = [await enter(accounts), await enter(accounts)]
  refused.reportFailure('invalid-credential', notAccepted)
  const next = await account(accounts)
  refusedToo.reportFailure('invalid-credential', notAccepted)
  expect(next.token).not.toBe(refused.account.token)
  expect(await account(accounts)).toBe(next)
  expect(zai.to(auths)).toHaveLength(2)
})

test('user tokens take turns and come before guests', async () => {
  const { zai, open } = pool()
  const [alice, bob] = [zai.addAccount('Alice'), zai.addAccount('Bob')]
  const accounts = open({ tokens: [alice, bob] })
  const order = [await accounts.peek(signal), await accounts.peek(signal), await accounts.peek(signal)]
  expect(order.map(({ userName }) => userName)).toEqual(['Alice', 'Bob', 'Alice'])
})

test('a user token is checked on first use and again after half an hour', async () => {
  const { zai, clock, open } = pool()
  const accounts = open({ tokens: [zai.addAccount('Alice')] })
  await accounts.peek(signal)
  clock.advance(30 * 60_000 - 1)
  await accounts.peek(signal)
  expect(zai.to(auths)).toHaveLength(1)
  clock.advance(1)
  await accounts.peek(signal)
  expect(zai.to(auths)).toHaveLength(2)
})

test('the token that comes back takes the place of the one sent', async () => {
  const { zai, clock, open } = pool()
  const token = zai.addAccount('Alice')
  const accounts = open({ tokens: [token] })
  await accounts.peek(signal)
  zai.rollOver(token)
  clock.advance(30 * 60_000)
  const rolled = await accounts.peek(signal)
  expect(rolled.token).not.toBe(token)
  clock.advance(30 * 60_000)
  expect((await accounts.peek(signal)).token).toBe(rolled.token)
  expect(zai.to(auths).map((seen) => seen.token)).toEqual([token, token, rolled.token])
})

test('a user token answered with a guest is dead; the guest is not taken in its place', async () => {
  const { zai, logged, open } = pool()
  const token = zai.addAccount('Alice')
  zai.revoke(token)
  const accounts = open({ tokens: [token], anonymous: false })
  expect(accounts.peek(signal)).rejects.toMatchObject({
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
  const accounts = open({ tokens: [token] })
  expect(await accounts.peek(signal)).toMatchObject({ kind: 'user', token })
  clock.advance(59_999)
  await accounts.peek(signal)
  expect(zai.to(auths)).toHaveLength(1)
  clock.advance(1)
  await accounts.peek(signal)
  expect(zai.to(auths)).toHaveLength(2)
})

test('requests at the same time share the check of a token', async () => {
  const { zai, open } = pool()
  const token = zai.addAccount('Alice')
  zai.revoke(token)
  const accounts = open({ tokens: [token] })
  const kinds = (await Promise.all([accounts.peek(signal), accounts.peek(signal)])).map(({ kind }) => kind)
  expect(kinds).toEqual(['guest', 'guest'])
  expect(zai.to(auths).filter((seen) => seen.token === token)).toHaveLength(1)
})

test('a refused token is passed over and looked at again after half an hour', async () => {
  const { zai, clock, open } = pool()
  const [alice, bob] = [zai.addAccount('Alice'), zai.addAccount('Bob')]
  const accounts = open({ tokens: [alice, bob] })
  const first = await enter(accounts)
  first.reportFailure('invalid-credential', notAccepted)
  const names = [await account(accounts), await accounts.peek(signal)].map(({ userName }) => userName)
  expect(names).toEqual(['Bob', 'Bob'])
  clock.advance(30 * 60_000)
  const later = [await account(accounts), await account(accounts)].map(({ userName }) => userName)
  expect(later.toSorted()).toEqual(['Alice', 'Bob'])
})

test('with every user token dead a guest steps in, and the log says so once', async () => {
  const { zai, logged, open } = pool()
  const token = zai.addAccount('Alice')
  zai.revoke(token)
  const accounts = open({ tokens: [token] })
  expect((await accounts.peek(signal)).kind).toBe('guest')
  expect((await accounts.peek(signal)).kind).toBe('guest')
  expect(logged.filter((line) => line.includes('as a guest'))).toHaveLength(1)
})

test.each([
  ['after user tokens, where guests are off', { anonymous: false }, 0],
  ['after guests that could not be minted', { anonymous: true }, 1],
])('the backup token comes last: %s', async (_name, options, mintings) => {
  const { zai, open } = pool()
  const dead = zai.addAccount('Alice')
  const backup = zai.addAccount('Backup')
  const accounts = open({ ...options, tokens: [dead], backupToken: backup })
  zai.revoke(dead)
  zai.script(auths, json({ detail: 'no' }, 401), ...(mintings ? [json({ detail: 'concurrency-limited' }, 503)] : []))
  expect(await accounts.peek(signal)).toMatchObject({ kind: 'backup', token: backup })
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
  const accounts = open({ tokens: [zai.addAccount('Alice')] })
  const queue = accounts.queueForAccount(wanted())
  const first = await queue.acquire()
  first.reportFailure('concurrency-limited', busy)
  const second = queue.acquire()
  await settle()
  clock.advance(9_999)
  expect(await Promise.race([second, settle().then(() => 'waiting')])).toBe('waiting')
  clock.advance(1)
  expect((await second).account.kind).toBe('user')
})

test('a guest is not chosen for what guests may not do', async () => {
  const { zai, open } = pool()
  const accounts = open({ tokens: [zai.addAccount('Alice')] })
  const alice = await enter(accounts)
  alice.reportFailure('invalid-credential', notAccepted)
  expect((await account(accounts)).kind).toBe('guest')
  await expect(accounts.queueForAccount(wanted(false)).acquire()).rejects.toBe(notAccepted)
})

test("a guest's chats are deleted when the last of its calls is over", async () => {
  const { zai, open } = pool()
  const accounts = open()
  const [guest, other] = [await enter(accounts), await enter(accounts)]
  guest.release()
  guest.release()
  await settle()
  expect(zai.to(cleanup)).toHaveLength(0)
  other.release()
  await settle()
  expect(zai.to(cleanup).map(({ token }) => token)).toEqual([guest.account.token])
})

test('a request does not wait for a deletion: another guest takes it, and the two take turns', async () => {
  const { zai, open } = pool()
  const accounts = open()
  const deletions = [Promise.withResolvers<Response>(), Promise.withResolvers<Response>()] as const
  zai.script(
    cleanup,
    ...deletions.map(
      ({ promise }) =>
        () =>
          promise,
    ),
  )
  const first = await enter(accounts)
  first.release()
  const second = await enter(accounts)
  expect(second.account.token).not.toBe(first.account.token)
  deletions[0].resolve(json({ detail: 'failed, and nobody minds' }, 500))
  await settle()
  second.release()
  await settle()
  expect((await enter(accounts)).account).toBe(first.account)
  expect(zai.to(cleanup).map(({ token }) => token)).toEqual([first.account.token, second.account.token])
  expect(zai.to(auths)).toHaveLength(2)
})

test('while a deletion hangs one other guest takes all requests, and has its chats deleted next', async () => {
  const { zai, clock, open } = pool()
  const accounts = open()
  zai.script(cleanup, () => new Promise(() => {}))
  const first = await enter(accounts)
  first.release()
  const tokens = new Set<string>()
  for (let request = 0; request < 20; request++) {
    const lease = await enter(accounts)
    tokens.add(lease.account.token)
    lease.release()
    await settle()
  }
  const [second = ''] = tokens
  expect(tokens).toEqual(new Set([second]))
  expect(zai.to(auths)).toHaveLength(2)
  expect(zai.to(cleanup)).toHaveLength(1)
  clock.advance(5_000)
  await settle()
  expect(zai.to(cleanup).map(({ token }) => token)).toEqual([first.account.token, second])
  expect((await enter(accounts)).account).toBe(first.account)
})

test('a guest whose time is over has its chats deleted, too, once they have ended', async () => {
  const { zai, clock, open } = pool()
  const accounts = open()
  const old = await enter(accounts)
  clock.advance(480_000)
  const fresh = await enter(accounts)
  expect(zai.to(cleanup)).toHaveLength(0)
  old.release()
  await settle()
  expect(zai.to(cleanup).map(({ token }) => token)).toEqual([old.account.token])
  expect((await enter(accounts)).account).toBe(fresh.account)
})

test('a guest that is refused by the last of its calls is not used again', async () => {
  const { zai, open } = pool()
  const accounts = open()
  const refused = await enter(accounts)
  refused.reportFailure('invalid-credential', notAccepted)
  await settle()
  const next = await enter(accounts)
  next.release()
  await settle()
  const accountsSeen = [await account(accounts), await account(accounts)]
  expect(accountsSeen).not.toContain(refused.account)
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
      const accounts = open()
      const running = new Map<AccountLease, string>()
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
          const lease = await enter(accounts)
          if (deleting.some(({ token }) => token === lease.account.token)) faults.push('a chat began under a deletion')
          running.set(lease, lease.account.token)
        }
        const lease = [...running.keys()][nth % Math.max(1, running.size)]
        if (act === 'leave' && lease !== undefined) {
          running.delete(lease)
          lease.release()
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
  const accounts = open(kind === 'user' ? { tokens: [token] } : { backupToken: token, anonymous: false })
  const lease = await enter(accounts)
  expect(lease.account.kind).toBe(kind === 'user' ? 'user' : 'backup')
  lease.release()
  await settle()
  expect(zai.to(cleanup)).toHaveLength(0)
})

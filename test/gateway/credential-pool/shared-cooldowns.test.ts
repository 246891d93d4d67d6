import { describe, expect, test } from 'bun:test'
import { systemClock } from '../../../src/async/system-clock.ts'
import type { Clock } from '../../../src/core/clock.ts'
import type { Lease } from '../../../src/core/credential-pool.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import { openPostgres } from '../../../src/database/postgres.ts'
import { createPool } from '../../../src/gateway/credential-pool/index.ts'
import { databaseCapacity } from '../../../src/store/credential-capacity.ts'
import { eventually } from '../../support/eventually.ts'
import { until } from '../../support/gateway.ts'
import { noPostgres } from '../../support/postgres.ts'
import { usePostgres } from '../../support/use-postgres.ts'

// What one gateway learns from a refusal holds for all gateways of a database.

describe.skipIf(noPostgres !== undefined)('cooldowns of several gateways', () => {
  const postgres = usePostgres()

  /** Each five minutes ahead of the one before. */
  async function gateway(url: string, node: number, upstream = 'zai') {
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + node * 300_000 }
    const sql = await openPostgres({ url, clock, limits: { statementMs: 5_000, graceMs: 1_000 } })
    postgres.closeLater(() => sql.close())
    const pool = createPool<string>({
      ...{ name: 'Z.AI', clock, random: () => 0, startLimit: 4, limits: () => ({ queueLimit: 100, queueMs: 60_000 }) },
      capacity: databaseCapacity({ sql, node: `node-${node}`, upstream }),
    })
    const tried: string[] = []
    const tryNow = (name: string) => void tried.push(name)
    pool.setMembers(
      ['one', 'two'].map((name) => ({ id: `key ${name}`, secret: name, rank: 0, create: () => name, tryNow })),
    )
    const lease = (credential = 'one', model = 'glm') =>
      pool
        .ticket({
          ...{ model, caller: 'ann', accepts: (each) => each === credential, signal: AbortSignal.timeout(20_000) },
          ...{ noneAccepts: () => new GatewayError('overloaded', 'none'), annotate: () => {} },
        })
        .lease()
    const stateOf = (name = 'key one') => pool.snapshot().credentials.find(({ id }) => id === name)
    return { sql, pool, lease, stateOf, tried, id: () => String(pool.control.report().credentials[0]?.id) }
  }
  async function gateways(count: number) {
    const url = await postgres.server.newDatabase()
    const all = await Promise.all(Array.from({ length: count }, (_, node) => gateway(url, node)))
    for (const each of all) (await each.lease()).release()
    return { url, all: all as [Gateway, Gateway] }
  }
  type Gateway = Awaited<ReturnType<typeof gateway>>

  const invalid = new GatewayError('upstream-auth', 'Z.AI refused this key.', {
    ...{ code: 'upstream_key_refused', detail: { code: '1001' } },
  })
  const failure = (promise: Promise<Lease<string>>): Promise<GatewayError> =>
    promise.then(() => expect.unreachable('it was lent')).catch((thrown) => thrown)

  test('a key that is refused on one rests on all within 2 s, also on one that starts later', async () => {
    const { url, all } = await gateways(2)
    const [home, other] = all
    ;(await home.lease()).reportFailure('invalid-credential', invalid)
    const since = performance.now()
    await until(() => other.stateOf()?.state === 'suspended', 'the other to know')
    expect(performance.now() - since).toBeLessThan(2_000)
    expect(await failure(other.lease())).toMatchObject({
      kind: 'upstream-auth',
      code: 'upstream_key_refused',
      status: 403,
    })
    expect(other.pool.control.report().credentials[0]).toMatchObject({ reason: { code: '1001' } })
    // By the database's clock: about a minute, whatever the dates of the machines are.
    expect(other.stateOf()?.waitingMs).toBeWithin(50_000, 60_001)
    expect(other.stateOf('key two')?.state).toBe('ready')
    const later = await gateway(url, 2)
    await until(() => later.stateOf()?.state === 'suspended', 'the new one to know')
    // Keys of other upstreams may be the same.
    const elsewhere = await gateway(url, 3, 'zai-web')
    ;(await elsewhere.lease()).release()
    expect(elsewhere.stateOf()?.state).toBe('ready')
  }, 30_000)

  test('what works again on one does so on all', async () => {
    const { all } = await gateways(2)
    const [home, other] = all
    ;(await home.lease()).reportFailure('invalid-credential', invalid, 300)
    // It may hear of it only when the time is over.
    await until(
      () => home.stateOf()?.state === 'half-open' && other.stateOf()?.state === 'half-open',
      'the time to be over',
    )
    const probe = await other.lease()
    probe.reportSuccess()
    await until(() => home.stateOf()?.state === 'ready', 'the first to know')
    expect(home.tried).toEqual(['one'])
    expect(await home.sql`SELECT credential FROM cooldowns`).toEqual([])
  }, 30_000)

  test('models rest on all, for one key or for every one', async () => {
    const { all } = await gateways(2)
    const [home, other] = all
    const notAllowed = new GatewayError('forbidden', 'This key may not use it.', { code: 'model_not_in_plan' })
    ;(await home.lease('one', 'big')).reportFailure('model-unavailable', notAllowed)
    await until(() => other.stateOf()?.withoutModels.includes('big') === true, 'the other to know of one')
    expect(await failure(other.lease('one', 'big'))).toMatchObject({ code: 'model_not_in_plan' })
    const overloaded = new GatewayError('overloaded', 'too busy', { code: 'model_busy' })
    ;(await home.lease('one', 'glm')).reportFailure('model-overloaded', overloaded)
    await eventually(async () => {
      const rows = await home.sql`SELECT credential, model FROM cooldowns ORDER BY credential`
      expect(rows).toEqual([
        { credential: 'zai/', model: 'glm' },
        { credential: expect.stringContaining('zai/'), model: 'big' },
      ])
    })
    // Once it knows, a call waits.
    await eventually(async () => {
      let lent: Lease<string> | undefined
      void other.lease('two', 'glm').then((lease) => {
        lent = lease
      })
      await until(() => lent !== undefined || other.pool.snapshot().queue.length > 0, 'the other to decide')
      lent?.release()
      expect(lent).toBeUndefined()
    })
  }, 30_000)

  test('what the operator has tried is tried on all', async () => {
    const { all } = await gateways(2)
    const [home, other] = all
    ;(await home.lease()).reportFailure('invalid-credential', invalid)
    await until(() => other.stateOf()?.state === 'suspended', 'the other to know')
    other.pool.control.tryNow(other.id())
    await until(() => home.stateOf()?.state === 'half-open', 'the first to know')
    // What an upstream itself knows against the credential is forgotten on each, too: its next call would fail by that,
    // and end the attempt on all.
    expect([home.tried, other.tried]).toEqual([['one'], ['one']])
  }, 30_000)

  test('what is refused while the database is away rests on all afterwards', async () => {
    const { all } = await gateways(2)
    const [home, other] = all
    const lease = await home.lease()
    await postgres.server.crash()
    try {
      lease.reportFailure('invalid-credential', invalid)
      expect(home.stateOf()?.state).toBe('suspended')
      expect(other.stateOf()?.state).toBe('ready')
      await until(() => home.sql.isAway(), 'the server to be away')
    } finally {
      postgres.server.start()
    }
    await until(() => other.stateOf()?.state === 'suspended', 'the other to know')
  }, 60_000)
})

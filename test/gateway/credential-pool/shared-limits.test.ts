import { describe, expect, test } from 'bun:test'
import { systemClock } from '../../../src/async/system-clock.ts'
import type { Clock } from '../../../src/core/clock.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import type { SharedCapacity } from '../../../src/core/shared-capacity.ts'
import { DatabaseError } from '../../../src/database/errors.ts'
import { openPostgres } from '../../../src/database/postgres.ts'
import { createPool } from '../../../src/gateway/credential-pool/index.ts'
import { databaseCapacity } from '../../../src/store/credential-capacity.ts'
import { eventually } from '../../support/eventually.ts'
import { until } from '../../support/gateway.ts'
import { noPostgres } from '../../support/postgres.ts'
import { usePostgres } from '../../support/use-postgres.ts'

// Several gateways on one database, and an upstream that allows so many calls of one key at a time.

describe.skipIf(noPostgres !== undefined)('gateways that share a key', () => {
  const postgres = usePostgres()

  async function gateways(count: number, startLimit: number, skewMs = 0) {
    const url = await postgres.server.newDatabase()
    return await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        let stoppedMs = 0
        let asleepMs = 0
        const clock: Clock = {
          ...systemClock,
          now: () => systemClock.now() + index * skewMs + asleepMs,
          monotonic: () => systemClock.monotonic() + stoppedMs,
        }
        let stopped: PromiseWithResolvers<void> | undefined
        /**
         * As if the process had been stopped for that long, or its machine had been asleep. Its exchanges go on once it is
         * told so.
         */
        const stop = async (ms: number, how: 'stopped' | 'asleep' = 'stopped') => {
          stopped = Promise.withResolvers()
          await until(() => asking === 0, 'the exchange under way to be over')
          if (how === 'stopped') stoppedMs += ms
          else asleepMs += ms
        }
        const sql = await openPostgres({ url, clock, limits: { statementMs: 30_000, graceMs: 1_000 } })
        postgres.closeLater(() => sql.close())
        let exchanges = 0
        let asking = 0
        // As if the database were away.
        let isCut = false
        const cut = (now: boolean) => {
          isCut = now
        }
        const capacity = databaseCapacity({ sql, node: `node-${index}`, upstream: 'zai' })
        const counting: SharedCapacity = {
          ...capacity,
          async exchange(...asked) {
            exchanges++
            await stopped?.promise
            if (isCut) throw new DatabaseError('away', undefined)
            asking++
            return await capacity.exchange(...asked).finally(() => asking--)
          },
          isAway: () => isCut,
        }
        const limits = { queueLimit: 1_000, queueMs: 60_000 }
        const pool = createPool<string>({
          ...{ name: 'Z.AI', clock, random: () => 0, limits: () => limits, startLimit },
          capacity: counting,
        })
        pool.setMembers([{ id: 'key 1', secret: 'the key', rank: 0, create: () => 'the key' }])
        const limit = () => pool.snapshot().credentials[0]?.limit
        return { sql, pool, limit, exchanges: () => exchanges, cut, stop, goOn: () => stopped?.resolve() }
      }),
    )
  }
  type Gateway = Awaited<ReturnType<typeof gateways>>[number]

  function ticketOf(pool: Gateway['pool'], caller = 'ann') {
    return pool.ticket({
      ...{ model: 'glm', caller, accepts: () => true, signal: new AbortController().signal },
      ...{ noneAccepts: () => new GatewayError('overloaded', 'none'), annotate: () => {} },
    })
  }

  /** An upstream that allows `most` calls at a time, each of which takes `ms`, or until `end`. */
  function upstream(most: number, ms: number, end?: Promise<void>) {
    let running = 0
    const seen = { most: 0, refused: 0, served: new Map<string, number>() }
    const call = async ({ pool }: Gateway, caller: string) => {
      const ticket = ticketOf(pool, caller)
      for (;;) {
        const lease = await ticket.lease()
        running++
        seen.most = Math.max(seen.most, running)
        try {
          if (running > most) {
            seen.refused++
            lease.reportFailure('account-concurrency-limited', new GatewayError('overloaded', 'too many'))
            continue
          }
          await (end ?? Bun.sleep(ms))
          lease.reportSuccess()
          seen.served.set(caller, (seen.served.get(caller) ?? 0) + 1)
          return
        } finally {
          running--
          lease.release()
        }
      }
    }
    return { call, seen }
  }

  test('ask no more of it together than one would, and serve callers alike, also where clocks differ by minutes', async () => {
    const nodes = await gateways(3, 4, 300_000)
    const { call, seen } = upstream(4, 100)
    // The first two gateways have one caller each, the third has two.
    const callers = ['ann', 'bob', 'cid', 'dan']
    const served = () => [...seen.served.values()].reduce((sum, count) => sum + count, 0)
    const calls = callers.flatMap((caller, index) =>
      Array.from({ length: 25 }, () => call(nodes[Math.min(index, 2)] as Gateway, caller)),
    )
    // Whoever comes first has all slots for a moment.
    await until(() => served() >= 16, 'all to have begun')
    const before = new Map(seen.served)
    await until(() => served() >= 64, 'many more calls')
    // A share is handed to another node within its time; meanwhile a caller may be a few calls behind.
    for (const caller of callers) expect((seen.served.get(caller) ?? 0) - (before.get(caller) ?? 0)).toBeWithin(5, 21)
    await Promise.all(calls)
    // Before the first refusal the limit grows with each answer, as that of one gateway does, to twice what is allowed at most.
    expect(seen.most).toBeLessThanOrEqual(8)
    expect(seen.refused).toBeLessThan(16)
  }, 60_000)

  test('ask the database nothing for a call that finds room', async () => {
    const [node] = await gateways(1, 8)
    const { call, seen } = upstream(8, 1)
    await call(node as Gateway, 'ann')
    const before = node?.exchanges() ?? 0
    const startedAt = performance.now()
    for (let count = 0; count < 50; count++) await call(node as Gateway, 'ann')
    expect(seen.served.get('ann')).toBe(51)
    // Shares are renewed every four seconds, whatever is called.
    const renewals = (performance.now() - startedAt) / 4_000
    expect((node?.exchanges() ?? 0) - before).toBeLessThan(3 + renewals)
  }, 30_000)

  test('renew what they have while a call runs, also one that began when nothing else did', async () => {
    const [node] = (await gateways(1, 2)) as [Gateway]
    const inFlight = async () => (await node.sql`SELECT in_flight FROM leases WHERE model = ''`)[0]?.in_flight
    const first = await ticketOf(node.pool).lease()
    await eventually(async () => expect(await inFlight()).toBe(1))
    first.release()
    await eventually(async () => expect(await inFlight()).toBe(0))
    const lease = await ticketOf(node.pool).lease()
    await eventually(async () => expect(await inFlight()).toBe(1))
    lease.release()
  }, 30_000)

  test('learn a limit from one refusal', async () => {
    const [node, other] = (await gateways(2, Number.POSITIVE_INFINITY)) as [Gateway, Gateway]
    const leases = await Promise.all([node, node, other].map(({ pool }) => ticketOf(pool).lease()))
    await eventually(async () =>
      expect(await node.sql`SELECT in_flight FROM leases WHERE model = '' ORDER BY node`).toEqual([
        { in_flight: 2 },
        { in_flight: 1 },
      ]),
    )
    leases[2]?.reportFailure('account-concurrency-limited', new GatewayError('overloaded', 'too many'))
    await eventually(async () =>
      expect(await node.sql`SELECT lim FROM capacities WHERE model = ''`).toEqual([{ lim: 2 }]),
    )
    await until(() => other.limit() === 0, 'the one without calls to have no room')
    for (const lease of leases) lease.release()
    for (const { pool } of [node, other]) pool.close(new GatewayError('overloaded', 'the end'))
    // Names of models that clients make up are forgotten, because no refusal has taught anything about them.
    await eventually(async () => expect(await node.sql`SELECT model FROM capacities`).toEqual([{ model: '' }]))
    await eventually(async () => expect(await node.sql`SELECT node FROM leases`).toEqual([]))
  }, 30_000)

  test('have the slots of one that was killed, once its lease is over', async () => {
    const [node, other] = (await gateways(2, 2)) as [Gateway, Gateway]
    const { call, seen } = upstream(2, 5)
    for (const _slot of [1, 2]) void ticketOf(node.pool).lease()
    await until(() => node.pool.snapshot().credentials[0]?.inFlight === 2, 'both slots to be taken')
    const waiting = call(other, 'bob')
    await until(() => other.pool.snapshot().queue.length === 1, 'the other to wait')
    await node.sql.close()
    await other.sql`UPDATE leases SET expires = 0 WHERE node = 'node-0'`
    await waiting
    expect(seen.served.get('bob')).toBe(1)
  }, 30_000)

  test.each(['stopped', 'asleep'] as const)(
    'use nothing that was theirs before they were %s for a while',
    async (how) => {
      const [node, other] = (await gateways(2, 2)) as [Gateway, Gateway]
      const held = await Promise.all([ticketOf(node.pool).lease(), ticketOf(node.pool).lease()])
      let isServed = false
      const waiting = ticketOf(node.pool)
        .lease()
        .then((lease) => {
          isServed = true
          lease.release()
        })
      await until(() => node.pool.snapshot().queue.length === 1, 'a third call to wait')
      await eventually(async () =>
        expect(await node.sql`SELECT share FROM leases WHERE model = '' AND node = 'node-0'`).toEqual([{ share: 2 }]),
      )
      // It is stopped, its lease ends, and the other has both slots.
      await node.stop(20_000, how)
      await node.sql`DELETE FROM leases WHERE node = 'node-0'`
      const taken = await Promise.all([ticketOf(other.pool).lease(), ticketOf(other.pool).lease()])
      for (const lease of held) lease.release()
      expect(isServed).toBe(false)
      node.goOn()
      await eventually(async () =>
        expect(await node.sql`SELECT share FROM leases WHERE model = '' AND node = 'node-0'`).toEqual([{ share: 0 }]),
      )
      expect(isServed).toBe(false)
      for (const lease of taken) lease.release()
      await waiting
    },
    30_000,
  )

  test('have equal parts after an outage until all are back, although no other has a lease any more', async () => {
    const nodes = await gateways(2, 6)
    const [node, other] = nodes as [Gateway, Gateway]
    const held = await Promise.all([node, node, node, other].map(({ pool }) => ticketOf(pool).lease()))
    await until(() => node.limit() === 4 && other.limit() === 2, 'both to know of each other')
    for (const { cut } of nodes) cut(true)
    for (const { stop, goOn } of nodes) {
      await stop(13_000)
      goOn()
    }
    await until(() => nodes.every(({ limit }) => limit() === 3), 'both to have equal parts')
    await node.sql`DELETE FROM leases`
    node.cut(false)
    await eventually(async () =>
      expect(await node.sql`SELECT share FROM leases WHERE model = ''`).toEqual([{ share: 6 }]),
    )
    expect(node.limit()).toBe(3)
    // The other has ended meanwhile, and does not come back.
    await node.stop(10_000)
    node.goOn()
    await until(() => node.limit() === 6, 'all to be its own')
    for (const lease of held) lease.release()
    other.pool.close(new GatewayError('overloaded', 'the end'))
  }, 60_000)

  test('have equal parts of what was known while the database is away', async () => {
    const nodes = await gateways(2, 6)
    const { call } = upstream(6, 1)
    for (const node of nodes) await call(node, 'ann')
    await until(() => nodes.every(({ limit }) => Number(limit()) < 6), 'both to know of each other')
    await postgres.server.crash()
    for (const { stop, goOn } of nodes) {
      await stop(13_000)
      goOn()
    }
    try {
      const end = Promise.withResolvers<void>()
      const { call: slow, seen } = upstream(6, 0, end.promise)
      const calls = nodes.flatMap((node) => Array.from({ length: 10 }, () => slow(node, 'ann')))
      await until(() => nodes.every(({ pool }) => pool.snapshot().credentials[0]?.inFlight === 3), 'three calls each')
      end.resolve()
      await Promise.all(calls)
      expect({ most: seen.most, refused: seen.refused }).toEqual({ most: 6, refused: 0 })
    } finally {
      postgres.server.start()
    }
  }, 60_000)
})

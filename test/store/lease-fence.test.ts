import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type CapacityReport, everyCredential } from '../../src/core/shared-capacity.ts'
import type { Database } from '../../src/database/sql.ts'
import { databaseCapacity } from '../../src/store/credential-capacity.ts'
import { patientPostgres } from '../support/databases.ts'
import { noPostgres } from '../support/postgres.ts'

// A gateway that was stopped does not know that its lease is over: the database refuses what rests on it.

describe.skipIf(noPostgres !== undefined)('a lease that is over', () => {
  let sql: Database
  let stop: (() => Promise<void>) | undefined
  beforeAll(async () => {
    ;({ sql, stop } = await patientPostgres())
  }, 60_000)
  afterAll(() => stop?.())

  const report = (more: Partial<CapacityReport> = {}): CapacityReport => ({
    ...{ credential: 'a', model: '', inFlight: 1, wants: { ann: 1 }, startLimit: undefined, answered: 0 },
    ...more,
  })
  const cooldown = (credential = 'a') => ({
    ...{ credential, model: '', isSuspended: true, consecutiveFailures: 1, forMs: 60_000, hasDate: false },
    error: { kind: 'upstream-auth', message: 'refused', code: 'refused', status: 403, refusal: '1001' },
  })
  const expire = (upstream: string, node: string) =>
    sql`UPDATE leases SET expires = 1 WHERE node = ${node} AND starts_with(credential, ${upstream})`

  /** Two gateways with calls of one key, which is known to allow four. */
  async function twoGateways(upstream: string) {
    const [one, other] = ['one', 'other'].map((node) => {
      const capacity = databaseCapacity({ sql, node, upstream })
      return {
        ...capacity,
        async renew(more: Partial<CapacityReport> = {}) {
          const [share] = await capacity.exchange(['a'], [report(more)])
          if (share?.fence === undefined) throw new Error('no lease was granted')
          return { ...share, fence: share.fence }
        },
      }
    })
    if (one === undefined || other === undefined) throw new Error('a gateway is missing')
    const first = await one.renew({ startLimit: 4 })
    return { one, other, first }
  }

  test('has a number that goes up with each grant, to whomever, and stays while it is renewed', async () => {
    const { one, other, first } = await twoGateways('numbers')
    const second = await other.renew()
    expect(second.fence).toBeGreaterThan(first.fence)
    expect(await one.renew({ fence: first.fence })).toMatchObject({ fence: first.fence, isStale: false })
    await expire('numbers', 'one')
    const third = await one.renew({ fence: first.fence })
    expect(third).toMatchObject({ isStale: true })
    expect(third.fence).toBeGreaterThan(second.fence)
    // Nobody uses the key any more, and its rows are deleted.
    await sql`UPDATE capacities SET lim = NULL WHERE credential = 'numbers/a'`
    await one.leave(['a'], [{ credential: 'a', model: '', fence: third.fence }])
    await other.leave(['a'], [{ credential: 'a', model: '', fence: second.fence }])
    expect(await sql`SELECT fence FROM capacities WHERE credential = 'numbers/a'`).toEqual([])
    expect((await other.renew()).fence).toBeGreaterThan(third.fence)
  })

  test('teaches no limit, and gives no share to the gateway that takes it for its own', async () => {
    const { one, other, first } = await twoGateways('limits')
    await expire('limits', 'one')
    expect(await other.renew({ inFlight: 4, wants: { bob: 4 } })).toMatchObject({ share: 4 })
    const refused = { inFlight: 2, wants: { ann: 2 }, allowed: -3 }
    const late = await one.renew({ ...refused, fence: first.fence })
    expect(late).toMatchObject({ limit: 4, share: 0, isStale: true })
    expect(await one.renew({ ...refused, fence: late.fence })).toMatchObject({ limit: 1, isStale: false })
  })

  test('begins and ends no cooldown', async () => {
    const { one, other, first } = await twoGateways('cooldowns')
    const lease = { credential: 'a', fence: first.fence }
    const stored = () => sql`SELECT credential FROM cooldowns WHERE starts_with(credential, 'cooldowns/') ORDER BY 1`
    await expire('cooldowns', 'one')
    expect(await one.coolDown(cooldown(), false, lease)).toBe(false)
    expect(await one.coolDown(cooldown(everyCredential), false, lease)).toBe(false)
    expect(await stored()).toEqual([])
    const { fence } = await other.renew()
    expect(await other.coolDown(cooldown(), false, { credential: 'a', fence })).toBe(true)
    expect(await one.endCooldown('a', '', lease)).toBe(false)
    expect(await stored()).toEqual([{ credential: 'cooldowns/a' }])
    const anew = await one.renew({ fence: first.fence })
    expect(await one.endCooldown('a', '', { credential: 'a', fence: anew.fence })).toBe(true)
    expect(await stored()).toEqual([])
    // What rests on no lease, as what the operator wants.
    expect(await one.coolDown(cooldown(), true)).toBe(true)
    expect(await one.endCooldown('a', '')).toBe(true)
  })

  test('gives back no newer one', async () => {
    const { one, first } = await twoGateways('returns')
    await expire('returns', 'one')
    const { fence } = await one.renew({ fence: first.fence })
    await one.leave(['a'], [{ credential: 'a', model: '', fence: first.fence }])
    expect(await sql`SELECT fence FROM leases WHERE credential = 'returns/a'`).toEqual([{ fence }])
    await one.leave(['a'], [{ credential: 'a', model: '', fence }])
    expect(await sql`SELECT fence FROM leases WHERE credential = 'returns/a'`).toEqual([])
  })
})

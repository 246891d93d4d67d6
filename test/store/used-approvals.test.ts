import { afterAll, afterEach, describe, expect, test } from 'bun:test'
import type { GatewayError } from '../../src/core/errors.ts'
import { DatabaseError } from '../../src/database/errors.ts'
import { createUsedApprovals } from '../../src/store/used-approvals.ts'
import { manualClock } from '../support/clock.ts'
import { testDatabases } from '../support/databases.ts'

const databases = await testDatabases()
afterEach(() => databases.closeAll())
afterAll(() => databases.stop())

describe.each(databases.engines)('in %s', (engine) => {
  test('an approval is used once, of uses at the same time, too, and by each key for itself', async () => {
    const database = await databases.open(engine)
    const clock = manualClock()
    const gateways = [0, 1].map(() => createUsedApprovals({ open: () => database, isOwn: false, now: clock.now }))
    const uses = await Promise.all(
      ['alice', 'bob'].flatMap((owner) =>
        Array.from({ length: 10 }, (_, n) => gateways[n % 2]?.use(owner, 'mcpr_1').then((isFirst) => isFirst && owner)),
      ),
    )
    expect(uses.filter((owner) => owner !== false)).toEqual(['alice', 'bob'])
    expect(await gateways[0]?.use('alice', `mcpr_${'2'.repeat(100_000)}`)).toBe(true)
  })

  test('what is older than any stored reply is forgotten', async () => {
    const database = await databases.open(engine)
    const clock = manualClock()
    const { use } = createUsedApprovals({ open: () => database, isOwn: false, now: clock.now })
    for (const id of ['1', '2', '3']) await use('alice', id)
    clock.advance(31 * 24 * 60 * 60 * 1000)
    expect(await use('alice', '4')).toBe(true)
    expect(await database`SELECT count(*) AS n FROM used_approvals`).toEqual([{ n: 1 }])
  })
})

test('a database that is away is an error that clients understand', async () => {
  const away = () => Promise.reject(new DatabaseError('away', undefined))
  const database = Object.assign(away, await databases.open('SQLite'))
  const { use } = createUsedApprovals({ open: () => database, isOwn: false, now: () => 0 })
  const error = await use('alice', '1').then(
    () => undefined,
    (thrown: GatewayError) => thrown,
  )
  expect(error).toMatchObject({ kind: 'overloaded', code: 'store_unavailable' })
})

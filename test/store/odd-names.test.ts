import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import type { Database } from '../../src/database/sql.ts'
import { databaseCapacity } from '../../src/store/credential-capacity.ts'
import { modelOf, storedModel } from '../../src/store/model-names.ts'
import { createRequestLog, keptOf } from '../../src/store/request-log.ts'
import type { NewRequest } from '../../src/store/requests.ts'
import { patientPostgres } from '../support/databases.ts'
import { noPostgres } from '../support/postgres.ts'

// Clients may send any text as the name of a model, also what PostgreSQL cannot store.

const names = ['glm\0', 'glm\ud800', 'glm\udc00', 'glm\ufffd', 'glm\ufffd0000', 'glm🙂']

test('names of models that PostgreSQL cannot store become others, each its own', () => {
  const stored = names.map(storedModel)
  expect(stored.map(modelOf)).toEqual(names)
  expect(new Set(stored).size).toBe(names.length)
  for (const name of stored) expect(name.isWellFormed() && !name.includes('\0')).toBe(true)
  expect(storedModel('glm-5.2[1m]')).toBe('glm-5.2[1m]')
})

describe.skipIf(noPostgres !== undefined)('on PostgreSQL', () => {
  let sql: Database
  let stop: (() => Promise<void>) | undefined
  beforeAll(async () => {
    ;({ sql, stop } = await patientPostgres())
  }, 60_000)
  afterAll(() => stop?.())

  test('a call of a model of any name leaves its gateway its share', async () => {
    const capacity = databaseCapacity({ sql, node: 'one', upstream: 'odd' })
    const usual = { credential: 'a', inFlight: 1, wants: { ann: 1 }, startLimit: undefined, answered: 0 }
    const reports = ['', ...names].map((model) => ({ ...usual, model, allowed: 3 }))
    const shares = await capacity.exchange(['a'], reports)
    expect(shares.map(({ model, limit }) => [model, limit])).toEqual(
      expect.arrayContaining(['', ...names].map((model) => [model, 3])),
    )
    const leases = shares.flatMap(({ credential, model, fence = 0 }) => ({ credential, model, fence }))
    await capacity.leave(['a'], leases)
    expect(await sql`SELECT node FROM leases`).toEqual([])
  })

  test('a model of any name rests', async () => {
    const capacity = databaseCapacity({ sql, node: 'one', upstream: 'odd' })
    const usual = { credential: 'a', isSuspended: false, consecutiveFailures: 1, forMs: 60_000, hasDate: false }
    const error = { kind: 'upstream', message: 'no', code: 'no', status: 500, refusal: '1234' }
    for (const model of names) await capacity.coolDown({ ...usual, model, error }, false, undefined)
    const resting = async () => (await capacity.cooldowns()).map(({ model }) => model)
    expect((await resting()).toSorted()).toEqual(names.toSorted())
    for (const model of names) await capacity.endCooldown('a', model, undefined)
    expect(await resting()).toEqual([])
  })

  test('requests whose names are one name when they are stored are listed and counted', async () => {
    const warnings: string[] = []
    const warn = (message: string) => void warnings.push(message)
    const log = createRequestLog({ sql, clock: systemClock, kept: () => keptOf('30d,1000'), warn })
    for (const [index, model] of [...names, null, ''].entries()) log.add(() => request(`r${index}`, model))
    await log.close()
    expect(warnings).toEqual([])
    const [stored] =
      await sql`SELECT (SELECT count(*) FROM requests) AS listed, (SELECT sum(requests) FROM usage) AS used`
    expect(stored).toEqual({ listed: names.length + 2, used: names.length + 2 })
  })
})

function request(id: string, model: string | null): NewRequest {
  return {
    ...{ id, at: Date.now(), key: 'master', model, upstream: null, client: null, session: null, agent: null },
    ...{ status: 200, error: null, ms: null, first_ms: null, tokens_in: 1, tokens_cached: null, tokens_out: null },
    ...{ tokens_reasoning: null, credits: null, usd: null, meta: '{}', detail: null },
  }
}

import { expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { DatabaseError } from '../../src/database/errors.ts'
import { openPostgres } from '../../src/database/postgres.ts'
import { createKeyStore } from '../../src/store/keys.ts'
import { operatedGateway } from '../support/operated-gateway.ts'
import { noPostgres, startPostgres } from '../support/postgres.ts'

test.each(['late', 'away'] as const)('a database that is %s is an error that says to come again', async (problem) => {
  const { ask, database } = await operatedGateway()
  if (database === undefined) throw new Error('no database')
  Object.assign(database, { transaction: () => Promise.reject(new DatabaseError(problem, undefined)) })
  const response = await ask('POST', '/admin/api/keys', { name: 'one' })
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2'])
  expect(await response.json()).toMatchObject({ error: { code: 'store_unavailable' } })
})

test.skipIf(noPostgres !== undefined)(
  'a change of a key waits for a disk that is slow, as no request would',
  async () => {
    const server = await startPostgres()
    const url = await server.newDatabase()
    // Has the time limits of requests, which would end the commit. Nothing else here waits so briefly.
    const sql = await openPostgres({ url, clock: systemClock })
    await using admin = new Bun.SQL({ url, max: 1 })
    try {
      // As a commit that waits for the disk.
      await admin`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$`
      await admin`CREATE CONSTRAINT TRIGGER slow AFTER INSERT OR UPDATE ON keys DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION slow()`
      const key = { id: 'k', name: 'k', prefix: 'k', hash: 'k', disabled: false, rules: '{}', createdAt: 0 }
      await createKeyStore(sql).put(() => ({ key, budgets: [] }))
      expect(await createKeyStore(sql).remove('k', 1)).toBe(true)
    } finally {
      await sql.close()
      server.stop()
    }
  },
  30_000,
)

import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../src/async/system-clock.ts'
import { openDatabase } from '../../src/database/open.ts'
import { openPostgres } from '../../src/database/postgres.ts'
import { manualClock } from '../support/clock.ts'
import { eventually } from '../support/eventually.ts'
import { until } from '../support/gateway.ts'
import { pgbouncerMissing, startPgbouncer } from '../support/pgbouncer.ts'
import { noPostgres } from '../support/postgres.ts'
import { silentWire } from '../support/silent-wire.ts'
import { usePostgres } from '../support/use-postgres.ts'

/** For new connections to the database, as docs/scaling.md has it for a role. */
async function limitLocks(url: string): Promise<void> {
  await using admin = new Bun.SQL({ url, max: 1 })
  await admin.unsafe(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET lock_timeout = '250ms'`)
}

const failure = (promise: Promise<unknown>) => promise.then(() => undefined).catch((thrown) => thrown)

describe.skipIf(noPostgres !== undefined)(`PostgreSQL that fails${noPostgres ? `: ${noPostgres}` : ''}`, () => {
  const postgres = usePostgres()

  /** A database, and what was told of it. `away` and `back` in their order. */
  async function open(options: Partial<Parameters<typeof openPostgres>[0]> = {}) {
    const told: string[] = []
    const onChange = (state: string) => void told.push(state === 'usable' ? 'back' : state)
    const url = options.url ?? (await postgres.server.newDatabase())
    const sql = await openPostgres({ clock: systemClock, onChange, ...options, url })
    postgres.closeLater(() => sql.close())
    return { sql, told, url }
  }

  test('a table that is gone is told of once, and values that are refused are not', async () => {
    const refusals: string[] = []
    const { sql } = await open({ onRefusal: ({ message }) => void refusals.push(message) })
    await sql`DROP TABLE cooldowns`
    for (let times = 0; times < 3; times++) await failure(sql`SELECT 1 FROM cooldowns`)
    await failure(sql.transaction((inside) => inside`SELECT 1 FROM cooldowns`))
    await failure(sql.background`SELECT planted FROM keys`)
    await failure(sql`SELECT ${'planted'}::int`)
    expect(refusals).toEqual(['relation "cooldowns" does not exist', 'column "planted" does not exist'])
  })

  test('the server ends what a request would wait for too long, and not what nobody waits for', async () => {
    const { sql, told } = await open({ clock: manualClock() })
    expect(await failure(sql`SELECT pg_sleep(3)`)).toMatchObject({ problem: 'late' })
    const [row] = await sql.transaction((inside) => inside`SELECT 1 AS slept FROM pg_sleep(0.4)`, 5_000)
    expect(row).toEqual({ slept: 1 })
    expect(await sql.background`SELECT 1 AS slept FROM pg_sleep(0.4)`).toEqual([{ slept: 1 }])
    expect(await sql`SELECT 1 AS one`).toEqual([{ one: 1 }])
    expect(told).toEqual([])
  })

  test('a network that goes silent lets nobody wait, and is used again once it is back', async () => {
    const wire = silentWire(postgres.server.port)
    const clock = manualClock()
    const url = (await postgres.server.newDatabase()).replace(String(postgres.server.port), String(wire.port))
    const { sql, told } = await open({ url, clock })
    wire.silence()
    const calls = Array.from({ length: 12 }, () => failure(sql`SELECT 1 AS one`))
    calls.push(failure(sql.transaction((inside) => inside`SELECT 1 AS one`)))
    await until(() => wire.swallowed() > 0, 'the network to swallow calls')
    clock.advance(350)
    const failures = await Promise.all(calls)
    expect(failures.map(({ problem }) => problem === 'late' || problem === 'away')).toEqual(failures.map(() => true))
    expect(await failure(sql`SELECT 1 AS one`)).toMatchObject({ problem: 'away' })
    expect({ told, isAway: sql.isAway() }).toEqual({ told: ['away'], isAway: true })
    wire.restore()
    clock.advance(2_000)
    await until(() => {
      clock.advance(100)
      return !sql.isAway()
    }, 'the network to be used again')
    const again = await Promise.all(Array.from({ length: 8 }, () => sql`SELECT 1 AS one`))
    expect(again).toEqual(again.map(() => [{ one: 1 }]))
    expect(told).toEqual(['away', 'back'])
    wire.stop()
  })

  test.skipIf(pgbouncerMissing !== '')(
    `a lock that is waited for behind PgBouncer is not taken for a silent network ${pgbouncerMissing}`,
    async () => {
      const bouncer = await startPgbouncer(postgres.server.port)
      try {
        const clock = manualClock()
        const url = await postgres.server.newDatabase()
        const { sql, told } = await open({
          url: url.replace(String(postgres.server.port), String(bouncer.port)),
          clock,
        })
        const { sql: other } = await open({ url, limits: patientLimits })
        await other`INSERT INTO gateways (node, expires) VALUES ('a', 1)`
        await other.transaction(async (inside) => {
          await inside`SET LOCAL idle_in_transaction_session_timeout = 0`
          await inside`SELECT node FROM gateways FOR UPDATE`
          const waiting = failure(sql`UPDATE gateways SET expires = 2`)
          await eventually(async () => {
            const [row] = await other`SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'`
            expect(row).toEqual({ n: 1 })
          })
          clock.advance(350)
          expect(await waiting).toMatchObject({ problem: 'late' })
          expect(await sql`SELECT 1 AS one`).toEqual([{ one: 1 }])
        }, 30_000)
        expect({ told, isAway: sql.isAway() }).toEqual({ told: [], isAway: false })
      } finally {
        await postgres.closeAll()
        await bouncer.stop()
      }
    },
    30_000,
  )

  test.skipIf(pgbouncerMissing !== '')(
    `with a lock_timeout of the server, a lock that is waited for behind PgBouncer replaces no connection ${pgbouncerMissing}`,
    async () => {
      const bouncer = await startPgbouncer(postgres.server.port)
      try {
        const url = await postgres.server.newDatabase()
        const { sql: other } = await open({ url, limits: patientLimits })
        await other`INSERT INTO gateways (node, expires) VALUES ('a', 1)`
        await limitLocks(url)
        const { sql, told } = await open({
          url: `${url.replace(String(postgres.server.port), String(bouncer.port))}?pool_max_conns=1`,
        })
        const connection = async () => (await sql`SELECT pg_backend_pid() AS pid`)[0]?.pid
        const before = await connection()
        await other.transaction(async (inside) => {
          await inside`SET LOCAL idle_in_transaction_session_timeout = 0`
          await inside`SELECT node FROM gateways FOR UPDATE`
          expect(await failure(sql`UPDATE gateways SET expires = 2`)).toMatchObject({ problem: 'late' })
          expect(await connection()).toBe(before)
        }, 30_000)
        expect({ told, isAway: sql.isAway() }).toEqual({ told: [], isAway: false })
      } finally {
        await postgres.closeAll()
        await bouncer.stop()
      }
    },
    30_000,
  )

  test('a lock_timeout of the server does not end what may take long, such as a start while others migrate', async () => {
    const url = await postgres.server.newDatabase()
    const { sql: other } = await open({ url, limits: patientLimits })
    await limitLocks(url)
    let starting: ReturnType<typeof open> | undefined
    await other.transaction(async (inside) => {
      await inside`SET LOCAL idle_in_transaction_session_timeout = 0`
      await inside`SELECT pg_advisory_xact_lock(8211408)`
      starting = open({ url })
      starting.catch(() => {})
      await eventually(async () => {
        const waiting = await other`SELECT 1 AS one FROM pg_stat_activity
          WHERE wait_event_type = 'Lock' AND query_start < clock_timestamp() - interval '400 ms'`
        expect(waiting).toHaveLength(1)
      })
    }, 30_000)
    expect((await starting)?.sql.isAway()).toBe(false)
  }, 30_000)

  test('a start goes on where the server is busy for longer than it lets a request wait', async () => {
    const url = await postgres.server.newDatabase()
    await using admin = new Bun.SQL({ url, max: 1 })
    const opening = await admin.begin(async (inside) => {
      await inside.unsafe('LOCK TABLE pg_catalog.pg_settings IN ACCESS EXCLUSIVE MODE')
      const ended = () =>
        readFileSync(join(postgres.server.data, '../log'), 'utf8').split('due to statement timeout').length
      const before = ended()
      const begun = open({ url })
      // The test sees it below.
      begun.catch(() => {})
      await until(() => ended() > before, 'the server to end a statement')
      return { begun }
    })
    const { sql } = await opening.begun
    expect(await sql`SELECT 1 AS one`).toEqual([{ one: 1 }])
  })

  test('a listener whose connection goes silent listens on another', async () => {
    const wire = silentWire(postgres.server.port)
    const clock = manualClock()
    const url = (await postgres.server.newDatabase()).replace(String(postgres.server.port), String(wire.port))
    const { sql } = await open({ url, clock })
    const heard: (string | undefined)[] = []
    sql.listen('news', (payload) => void heard.push(payload))
    await until(() => heard.length === 1, 'to listen')
    await sql`SELECT pg_notify('news', 'first')`
    await until(() => heard.length === 2, 'the first news')
    wire.silence()
    wire.restore()
    // The calls that were open before have to fail first.
    await until(() => {
      clock.advance(100)
      return heard.length === 3
    }, 'to listen again')
    await until(() => {
      clock.advance(100)
      return !sql.isAway()
    }, 'to be back')
    // Here time runs faster than answers arrive, so that it may begin to listen more than once.
    await eventually(async () => {
      await sql`SELECT pg_notify('news', 'second')`
      expect(heard).toContain('second')
    })
    expect(heard.slice(0, 3)).toEqual([undefined, 'first', undefined])
    wire.stop()
  })

  test('connections that the server ends are replaced, and nobody is told', async () => {
    const { sql, told, url } = await open()
    const heard: (string | undefined)[] = []
    sql.listen('news', (payload) => void heard.push(payload))
    await Promise.all(Array.from({ length: 8 }, () => sql`SELECT 1 AS one`))
    await until(() => heard.length === 1, 'to listen')
    const { sql: other } = await open()
    await other`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ${new URL(url).pathname.slice(1)}`
    // Where the driver has noticed the end already, the next statement has a new connection.
    const next = await sql`SELECT 1 AS one`.catch(({ problem }) => problem)
    expect([[{ one: 1 }], 'away']).toContainEqual(next)
    await eventually(() => Promise.all(Array.from({ length: 16 }, () => sql`SELECT 1 AS one`)))
    await until(() => heard.length === 2, 'to listen again')
    expect(told).toEqual([])
  })

  test('a connection that is cut in the middle of an answer fails at once, and the others are replaced', async () => {
    const wire = silentWire(postgres.server.port)
    const url = (await postgres.server.newDatabase()).replace(String(postgres.server.port), String(wire.port))
    const { sql, told } = await open({ url, limits: { statementMs: 60_000, graceMs: 1_000 } })
    const asking = Array.from({ length: 8 }, () => failure(sql`SELECT pg_sleep(60)`))
    const { sql: other } = await open()
    await eventually(async () => {
      const [row] =
        await other`SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active'
        AND pid <> pg_backend_pid()`
      expect(row).toEqual({ n: 8 })
    })
    wire.cut()
    // Long before the statements would end.
    expect((await Promise.all(asking)).map(({ problem }) => problem)).toEqual(asking.map(() => 'away'))
    await eventually(() => Promise.all(Array.from({ length: 16 }, () => sql`SELECT 1 AS one`)))
    expect(told).toEqual([])
    wire.stop()
  }, 30_000)

  test('answers belong to their questions, also while connections end', async () => {
    const { sql, url } = await open({ limits: patientLimits })
    const name = new URL(url).pathname.slice(1)
    const { sql: other } = await open()
    let [right, wrong, lost] = [0, 0, 0]
    const ask = async (loop: number) => {
      for (let count = 0; count < 60; count++) {
        const nonce = `${loop}/${count}`
        const rows = await sql`SELECT ${nonce} AS nonce, ${count}::bigint * 7 AS product`.catch(() => undefined)
        if (rows === undefined) lost++
        else if (rows[0]?.nonce === nonce && rows[0]?.product === count * 7) right++
        else wrong++
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    const asking = Promise.all(Array.from({ length: 16 }, (_, loop) => ask(loop)))
    for (let round = 0; round < 5; round++)
      await other`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ${name}`
    await asking
    expect({ wrong, all: right + wrong + lost }).toEqual({ wrong: 0, all: 960 })
    expect(right).toBeGreaterThan(0)
  }, 30_000)

  test('an event loop that was blocked is not taken for a silent network', async () => {
    const { sql, told } = await open()
    const asking = sql`SELECT 1 AS slept FROM pg_sleep(0.05)`
    Bun.sleepSync(600)
    expect(await asking).toEqual([{ slept: 1 }])
    expect(told).toEqual([])
  })

  test('a server that was killed has everything once it is back, and callers do not wait meanwhile', async () => {
    const { sql, told } = await open({ limits: patientLimits })
    // Without waiting for the disk, as all here commits, a crash may forget it.
    await sql.transaction(async (inside) => {
      await inside`SET LOCAL synchronous_commit = on`
      await inside`INSERT INTO budgets (id, key, unit, lim, window_start, window_ms) VALUES ('a', 'k', 'tokens', 1, 0, 0)`
    })
    await postgres.server.crash()
    await eventually(async () => {
      if ((await failure(sql`SELECT 1 AS one`))?.problem !== 'away' || !sql.isAway()) throw new Error('not away yet')
    })
    const started = performance.now()
    await Promise.all(Array.from({ length: 20 }, () => failure(sql`SELECT 1 AS one`)))
    expect(performance.now() - started).toBeLessThan(patientLimits.statementMs / 2)
    postgres.server.start()
    await until(() => !sql.isAway(), 'the server to be used again')
    expect(await sql`SELECT id FROM budgets`).toEqual([{ id: 'a' }])
    expect(told).toEqual(['away', 'back'])
  }, 60_000)

  test('two transactions that wait for each other are repeated by one of them', async () => {
    const { sql } = await open()
    await sql`INSERT INTO budgets (id, key, unit, lim, window_start, window_ms) VALUES ('a', 'k', 'tokens', 1, 0, 0), ('b', 'k', 'tokens', 1, 0, 0)`
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const both = (first: string, second: string, own: number) =>
      sql.transaction(async (inside) => {
        await inside`UPDATE budgets SET settled = settled + 1 WHERE id = ${first}`
        gates[own]?.resolve()
        await gates[1 - own]?.promise
        await inside`UPDATE budgets SET settled = settled + 1 WHERE id = ${second}`
      }, 10_000)
    await Promise.all([both('a', 'b', 0), both('b', 'a', 1)])
    expect(await sql`SELECT settled FROM budgets`).toEqual([{ settled: 2 }, { settled: 2 }])
  }, 30_000)

  test('what is no number does not pass for one', async () => {
    const { sql } = await open()
    const floats = sql`SELECT 'NaN'::float8 AS one, '-Infinity'::float8 AS other, 0.5::float8 AS half, NULL::float8 AS none`
    expect(await floats).toEqual([{ one: null, other: null, half: 0.5, none: null }])
    expect(await failure(sql`SELECT 'NaN'::numeric AS amount`)).toMatchObject({
      message: 'the database has no number in amount: NaN',
    })
  })

  test('four gateways that start together make the tables once', async () => {
    const url = await postgres.server.newDatabase()
    const [{ sql }] = await Promise.all([open({ url }), open({ url }), open({ url }), open({ url })])
    const [row] =
      await sql`SELECT count(*) - count(DISTINCT version) AS twice, least(count(*), 1) AS some FROM schema_version`
    expect(row).toEqual({ twice: 0, some: 1 })
  }, 30_000)

  test('tables of a newer version stop the start with a sentence', async () => {
    const { sql, url } = await open()
    await sql`INSERT INTO schema_version (version) VALUES (9999)`
    const thrown = await failure(openDatabase({ url, folder: undefined, clock: systemClock, warn: () => {} }))
    expect(thrown.message).toContain('The database has schema 9999, and this version of zai2api knows ')
  })

  test('pool_max_conns of the URL is the number of connections for requests', async () => {
    const url = `${await postgres.server.newDatabase()}?pool_max_conns=3&application_name=pools`
    const { sql } = await open({ url })
    await Promise.all(Array.from({ length: 20 }, () => sql`SELECT pg_sleep(0.01)`))
    const [row] = await sql`SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()`
    // Two more are for work in the background.
    expect(row).toEqual({ n: 5 })
    expect(await failure(openPostgres({ url: url.replace('=3', '=0'), clock: systemClock }))).toMatchObject({
      message: 'pool_max_conns must be a number from 1 to 200.',
    })
  })

  test('synchronous_commit of the URL says whether commits wait for the disk', async () => {
    const url = await postgres.server.newDatabase()
    const using = async (parameters: string) => {
      const { sql } = await open({ url: url + parameters })
      return (await sql`SHOW synchronous_commit`)[0]?.synchronous_commit
    }
    expect([await using(''), await using('?synchronous_commit=on')]).toEqual(['off', 'on'])
    expect((await failure(using('?synchronous_commit=local'))).message).toBe('synchronous_commit must be on or off.')
  })

  test.skipIf(Bun.which('openssl') === null)(
    'sslmode means what libpq means by it',
    async () => {
      const url = await postgres.server.newDatabase()
      const using = async (parameters: string, host = '127.0.0.1') => {
        const { sql } = await open({ url: `${url.replace('127.0.0.1', host)}?${parameters}` })
        const [row] = await sql<{ ssl: boolean }>`SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`
        return row?.ssl
      }
      expect(await failure(using('sslmode=require'))).toBeDefined()
      const authority = await postgres.server.useTls('127.0.0.1')
      const another = authority.replace(/[^/]+$/, 'another.crt')
      expect(await using('sslmode=disable')).toBe(false)
      expect(await using('sslmode=prefer')).toBe(true)
      expect(await using('sslmode=require')).toBe(true)
      expect(await using(`sslmode=verify-full&sslrootcert=${authority}`)).toBe(true)
      expect(await using(`sslmode=verify-ca&sslrootcert=${authority}`, 'localhost')).toBe(true)
      expect(await failure(using(`sslmode=verify-full&sslrootcert=${authority}`, 'localhost'))).toBeDefined()
      expect(await failure(using(`sslmode=verify-ca&sslrootcert=${another}`))).toBeDefined()
    },
    30_000,
  )
})

/** Limits for work that many loops wait for together on a busy machine. */
const patientLimits = { statementMs: 5_000, graceMs: 1_000 }

test('a server that is not there is an error that names it, without the password', async () => {
  const url = 'postgres://ann:the-password@127.0.0.1:1/zai2api'
  const thrown = await failure(openDatabase({ url, folder: undefined, clock: systemClock, warn: () => {} }))
  expect(thrown.message).toStartWith('The database of DATABASE_URL at 127.0.0.1:1 cannot be used: ')
  expect(Bun.inspect(thrown)).not.toContain('the-password')
})

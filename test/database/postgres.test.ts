import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Socket } from 'bun'
import { systemClock } from '../../src/async/system-clock.ts'
import { openDatabase } from '../../src/database/open.ts'
import { openPostgres } from '../../src/database/postgres.ts'
import type { Database } from '../../src/database/sql.ts'
import { manualClock } from '../support/clock.ts'
import { until } from '../support/gateway.ts'
import { noPostgres, type Postgres, startPostgres } from '../support/postgres.ts'

const failure = (promise: Promise<unknown>) => promise.then(() => undefined).catch((thrown) => thrown)

/** Waits until all connections work. */
async function allAnswer(sql: Database): Promise<void> {
  while (await failure(Promise.all(Array.from({ length: 16 }, () => sql`SELECT 1 AS one`))));
}

describe.skipIf(noPostgres !== undefined)(`PostgreSQL that fails${noPostgres ? `: ${noPostgres}` : ''}`, () => {
  let server: Postgres
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  afterAll(() => server?.stop())

  test('what takes longer than a second is ended by the server, and what may take longer is not', async () => {
    const sql = await openPostgres({ url: await server.newDatabase(), clock: manualClock() })
    expect(await failure(sql`SELECT pg_sleep(3)`)).toMatchObject({ problem: 'late' })
    const [row] = await sql.transaction((inside) => inside`SELECT 1 AS slept FROM pg_sleep(1.2)`, 5_000)
    expect(row).toEqual({ slept: 1 })
    expect(await sql`SELECT 1 AS one`).toEqual([{ one: 1 }])
    await sql.close()
  })

  test('a network that goes silent lets nobody wait, and is forgotten once it is back', async () => {
    const wire = silentWire(server.port)
    const clock = manualClock()
    const url = (await server.newDatabase()).replace(String(server.port), String(wire.port))
    const sql = await openPostgres({ url, clock })
    wire.silence()
    const calls = Array.from({ length: 12 }, () => failure(sql`SELECT 1 AS one`))
    await until(() => wire.swallowed() > 0, 'the network to swallow calls')
    clock.advance(1_500)
    const failures = await Promise.all(calls)
    expect(failures.map(({ problem }) => problem === 'late' || problem === 'away')).toEqual(failures.map(() => true))
    wire.restore()
    const again = await Promise.all(Array.from({ length: 8 }, () => sql`SELECT 1 AS one`))
    expect(again).toEqual(again.map(() => [{ one: 1 }]))
    await sql.close()
    wire.stop()
  })

  test('connections that the server ends are replaced', async () => {
    const sql = await openPostgres({ url: await server.newDatabase(), clock: systemClock })
    await Promise.all(Array.from({ length: 8 }, () => sql`SELECT 1 AS one`))
    const away = await failure(
      sql`SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity WHERE datname = current_database()`,
    )
    expect(away).toMatchObject({ problem: 'away' })
    await allAnswer(sql)
    await sql.close()
  })

  test('a server that crashed has everything once it is back', async () => {
    const sql = await openPostgres({ url: await server.newDatabase(), clock: systemClock })
    // Without waiting for the disk, as all here commits, a crash may forget it.
    await sql.transaction(async (inside) => {
      await inside`SET LOCAL synchronous_commit = on`
      await inside`INSERT INTO budgets (id, key, unit, lim, window_start, window_ms) VALUES ('a', 'k', 'tokens', 1, 0, 0)`
    })
    server.crash()
    expect(await failure(sql`SELECT 1 AS one`)).toMatchObject({ problem: 'away' })
    server.start()
    await allAnswer(sql)
    expect(await sql`SELECT id FROM budgets`).toEqual([{ id: 'a' }])
    await sql.close()
  }, 60_000)

  test('two transactions that wait for each other are repeated by one of them', async () => {
    const sql = await openPostgres({ url: await server.newDatabase(), clock: systemClock })
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
    await sql.close()
  }, 30_000)
})

test('a server that is not there is an error that names it, without the password', async () => {
  const url = 'postgres://ann:the-password@127.0.0.1:1/zai2api'
  const thrown = await failure(openDatabase({ url, folder: undefined, clock: systemClock, warn: () => {} }))
  expect(thrown.message).toStartWith('The database of DATABASE_URL at 127.0.0.1:1 cannot be used: ')
  expect(Bun.inspect(thrown)).not.toContain('the-password')
})

/** Passes bytes on to a port, until it is silent: then old and new connections stay open and nothing passes. */
function silentWire(port: number) {
  type Ends = { other?: Socket<Ends>; waiting: Buffer[]; isDead: boolean }
  let isSilent = false
  let swallowed = 0
  const open = new Set<Socket<Ends>>()
  const pass = (socket: Socket<Ends>, bytes: Buffer) => {
    if (isSilent || socket.data.isDead) swallowed += bytes.length
    else if (socket.data.other) socket.data.other.write(bytes)
    else socket.data.waiting.push(Buffer.from(bytes))
  }
  const close = (socket: Socket<Ends>) => {
    open.delete(socket)
    socket.data.other?.end()
  }
  const listener = Bun.listen<Ends>({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      async open(socket) {
        socket.data = { waiting: [], isDead: isSilent }
        open.add(socket)
        const other = await Bun.connect<Ends>({
          ...{ hostname: '127.0.0.1', port, data: { other: socket, waiting: [], isDead: isSilent } },
          socket: { data: pass, close },
        })
        open.add(other)
        socket.data.other = other
        for (const bytes of socket.data.waiting.splice(0)) other.write(bytes)
      },
      data: pass,
      close,
    },
  })
  return {
    port: listener.port,
    swallowed: () => swallowed,
    silence() {
      isSilent = true
      for (const socket of open) socket.data.isDead = true
    },
    restore() {
      isSilent = false
    },
    stop() {
      for (const socket of open) socket.terminate()
      listener.stop(true)
    },
  }
}

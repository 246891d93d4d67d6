import { Database as Connection } from 'bun:sqlite'
import { afterAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase } from '../../src/database/open.ts'
import type { Database } from '../../src/database/sql.ts'
import { openSqlite } from '../../src/database/sqlite.ts'
import { manualClock } from '../support/clock.ts'

const folder = mkdtempSync(join(tmpdir(), 'zai2api-sqlite-'))
afterAll(() => rmSync(folder, { recursive: true }))
let folders = 0

/** Each in a folder of its own. */
function newPath(): string {
  const own = join(folder, String(++folders))
  mkdirSync(own)
  return join(own, 'zai2api.sqlite')
}

function setUp({ path = newPath(), maxPages }: { path?: string; maxPages?: number } = {}) {
  const warnings: string[] = []
  const clock = manualClock()
  const limits = maxPages === undefined ? {} : { maxPages }
  const sql = openSqlite({ path, clock, warn: (message) => void warnings.push(message), ...limits })
  return { path, clock, warnings, sql }
}

const addBudget = (sql: Database, id: string) =>
  sql`INSERT INTO budgets (id, key, unit, lim, window_start, window_ms) VALUES (${id}, ${'k'}, ${'tokens'}, 10, 0, 0)`
const addRequest = (sql: Database, id: string) =>
  sql`INSERT INTO requests (id, at, meta) VALUES (${id}, 1, ${'x'.repeat(20_000)})`
const ids = async (sql: Database) => (await sql<{ id: string }>`SELECT id FROM budgets ORDER BY id`).map(({ id }) => id)
const failure = (promise: Promise<unknown>) => promise.then(() => undefined).catch((thrown) => thrown)
/** What an upkeep does is done once its turn in the queue is over. */
const afterUpkeep = async ({ clock, sql }: { clock: { advance(ms: number): void }; sql: Database }, ms = 5_000) => {
  clock.advance(ms)
  await sql.transaction(async () => {})
}

test('a file is private, with a folder of its own, in write-ahead mode', async () => {
  const path = join(folder, 'new', 'state', 'zai2api.sqlite')
  const { sql } = setUp({ path })
  await addBudget(sql, 'a')
  expect(await sql`PRAGMA journal_mode`).toEqual([{ journal_mode: 'wal' }])
  if (process.platform !== 'win32') {
    expect(statSync(join(folder, 'new')).mode & 0o077).toBe(0)
    for (const suffix of ['', '-wal', '-shm']) expect(statSync(path + suffix).mode & 0o077).toBe(0)
  }
  await sql.close()
})

test('what is no database is moved aside, and a new one begun', async () => {
  const path = newPath()
  writeFileSync(path, 'no database'.repeat(1_000))
  const { sql, warnings } = setUp({ path })
  await addBudget(sql, 'a')
  expect(await ids(sql)).toEqual(['a'])
  expect(warnings).toEqual([expect.stringContaining('is damaged or no database: it is now')])
  const aside = readdirSync(join(path, '..')).find((name) => name.includes('.damaged-')) ?? ''
  expect(readFileSync(join(path, '..', aside), 'utf8')).toStartWith('no database')
  await sql.close()
})

test('a page that is damaged is met later, and the file moved aside then', async () => {
  const path = newPath()
  const first = setUp({ path })
  for (let index = 0; index < 400; index++) await addBudget(first.sql, `budget ${index} ${'x'.repeat(200)}`)
  await first.sql.close()
  const bytes = readFileSync(path)
  // All pages after the schema's.
  bytes.fill(0xff, 4_096 * 20)
  writeFileSync(path, bytes)
  const { sql, warnings } = setUp({ path })
  expect(warnings).toEqual([])
  expect(await ids(sql)).toEqual([])
  await sql.transaction((inside) => inside`DELETE FROM budgets`)
  await addBudget(sql, 'a')
  expect(await ids(sql)).toEqual(['a'])
  expect(warnings).toEqual([expect.stringContaining('is damaged')])
  await sql.close()
})

test('where the disk is full, keys and budgets go on in memory, and are written once there is room', async () => {
  const { path, sql, warnings, clock } = setUp({ maxPages: 60 })
  await addBudget(sql, 'in the file')
  let rows = 0
  while (!(await failure(addRequest(sql, `r${rows}`)))) rows++
  expect(await failure(addRequest(sql, 'one more'))).toMatchObject({ problem: 'full' })
  expect(warnings).toEqual([expect.stringContaining('keys and budgets go on in memory')])
  for (let index = 0; index < 300; index++) await addBudget(sql, `in memory ${index}`)
  await sql.transaction((inside) => inside`UPDATE budgets SET settled = 7 WHERE id = ${'in the file'}`)
  expect(await sql`SELECT settled FROM budgets WHERE id = ${'in the file'}`).toEqual([{ settled: 7 }])
  expect(await sql`SELECT count(*) AS n FROM requests`).toEqual([{ n: rows }])
  const other = setUp({ path })
  expect(await ids(other.sql)).toEqual(['in the file'])
  await other.sql.close()

  await afterUpkeep({ clock, sql })
  expect(warnings).toHaveLength(1)
  await sql`PRAGMA max_page_count = 1000000`
  await afterUpkeep({ clock, sql })
  expect(warnings.slice(1)).toEqual([`${path} can be written again`])
  await addRequest(sql, 'with room')
  await sql.close()
  const after = setUp({ path })
  expect(await ids(after.sql)).toHaveLength(301)
  expect(await after.sql`SELECT settled FROM budgets WHERE id = ${'in the file'}`).toEqual([{ settled: 7 }])
  await after.sql.close()
})

test.skipIf(process.platform === 'win32')('a file that was deleted is missed, and another begun', async () => {
  const { path, sql, warnings, clock } = setUp()
  await addBudget(sql, 'before')
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix)
  await afterUpkeep({ clock, sql })
  await addBudget(sql, 'after')
  expect(warnings).toEqual([expect.stringContaining('was deleted or replaced')])
  const other = setUp({ path })
  expect(await ids(other.sql)).toEqual(['after'])
  await Promise.all([sql.close(), other.sql.close()])
})

test('a transaction has the lock from its beginning, so that another process waits and does not fail', async () => {
  const { path, sql } = setUp()
  await addBudget(sql, 'a')
  const other = new Connection(path, { strict: true })
  await sql.transaction(async (inside) => {
    expect(() => other.run("UPDATE budgets SET settled = 1 WHERE id = 'a'")).toThrow('locked')
    // A transaction that began without the lock would fail here if somebody had written in between.
    await inside`SELECT settled FROM budgets`
    await inside`UPDATE budgets SET settled = 2 WHERE id = ${'a'}`
  })
  other.run("UPDATE budgets SET settled = settled + 1 WHERE id = 'a'")
  expect(await sql`SELECT settled FROM budgets`).toEqual([{ settled: 3 }])
  other.run('BEGIN IMMEDIATE')
  expect(await failure(addBudget(sql, 'b'))).toMatchObject({ problem: 'locked' })
  other.close()
  await sql.close()
}, 20_000)

test('two processes share a file, and what either wrote is there after both were killed', async () => {
  const path = newPath()
  const writers = ['a', 'b'].map((id) => {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, 'writer.ts'), path, id], { stdout: 'pipe' })
    return { id, child, reader: child.stdout.getReader(), text: '' }
  })
  const decoder = new TextDecoder()
  for (const writer of writers)
    while (writer.text.split('\n').length < 200) {
      const { value } = await writer.reader.read()
      writer.text += decoder.decode(value)
    }
  for (const { child } of writers) child.kill('SIGKILL')
  for (const writer of writers) {
    for (let read = await writer.reader.read(); !read.done; read = await writer.reader.read())
      writer.text += decoder.decode(read.value)
    await writer.child.exited
  }
  const { sql, warnings } = setUp({ path })
  for (const { id, text } of writers) {
    const acknowledged = Number(text.split('\n').at(-2))
    const [row] = await sql<{ settled: number }>`SELECT settled FROM budgets WHERE id = ${id}`
    expect(acknowledged).toBeGreaterThanOrEqual(199)
    expect(row?.settled).toBeWithin(acknowledged, acknowledged + 2)
  }
  expect(warnings).toEqual([])
  await sql.close()
}, 30_000)

test.each([
  ['a folder that cannot be made', () => `sqlite:${join(newFile(), 'below a file', 'x.sqlite')}`],
  ['a folder in place of the file', () => `sqlite:${folder}`],
])('%s: the database is in memory, with a warning', async (_what, url) => {
  const warnings: string[] = []
  const warn = (message: string) => void warnings.push(message)
  const sql = await openDatabase({ url: url(), folder, clock: manualClock(), warn })
  await addBudget(sql, 'a')
  expect(await ids(sql)).toEqual(['a'])
  expect(warnings).toEqual([expect.stringContaining('are in memory, gone with the process')])
  await sql.close()
})

test.each(['mysql://ann:the-password@host/app', 'postgres:/ann:the-password@host', 'sqlite:', '/tmp/x.sqlite'])(
  'an address that is none is an error without it: %s',
  async (url) => {
    const opening = openDatabase({ url, folder, clock: manualClock(), warn: () => {} })
    expect((await failure(opening)).message).toBe(
      'DATABASE_URL must be memory, sqlite:PATH or postgres://user:password@host/name.',
    )
  },
)

function newFile(): string {
  const path = newPath()
  writeFileSync(path, '')
  return path
}

test.each<[string, string | undefined, string | undefined, boolean]>([
  ['nothing, and a folder', undefined, join(folder, 'default'), true],
  ['nothing, and no folder', undefined, undefined, false],
  ['memory', 'memory', join(folder, 'memory'), false],
])('DATABASE_URL is %s', async (_what, url, own, isFile) => {
  const warn = (message: string) => {
    throw new Error(message)
  }
  const sql = await openDatabase({ url, folder: own, clock: manualClock(), warn })
  await addBudget(sql, 'a')
  await sql.close()
  expect(own !== undefined && statSync(join(own, 'zai2api.sqlite'), { throwIfNoEntry: false }) !== undefined).toBe(
    isFile,
  )
})

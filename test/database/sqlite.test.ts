import { Database as Connection } from 'bun:sqlite'
import { afterAll, expect, test } from 'bun:test'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase } from '../../src/database/open.ts'
import type { Database } from '../../src/database/sql.ts'
import { openSqlite } from '../../src/database/sqlite.ts'
import { createResponseStore } from '../../src/store/responses.ts'
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

test('a database of ours whose header is damaged is moved aside, and a new one begun', async () => {
  const path = newPath()
  const first = setUp({ path })
  await addBudget(first.sql, 'before')
  await first.sql.close()
  const bytes = readFileSync(path)
  bytes.write('no SQLite header')
  writeFileSync(path, bytes)
  // It would mend the header.
  for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true })
  const { sql, warnings } = setUp({ path })
  await addBudget(sql, 'a')
  expect(await ids(sql)).toEqual(['a'])
  expect(warnings).toEqual([expect.stringContaining('is damaged: it is now')])
  const aside = readdirSync(join(path, '..')).find((name) => name.includes('.damaged-')) ?? ''
  expect(readFileSync(join(path, '..', aside), 'utf8')).toStartWith('no SQLite header')
  await sql.close()
})

test('a command does not move a damaged file aside under the gateway', async () => {
  const own = join(newPath(), '..')
  writeFileSync(join(own, 'zai2api.sqlite'), new Uint8Array(20_000))
  const opening = openDatabase({ url: undefined, folder: own, clock: manualClock(), warn: () => {}, isLasting: true })
  expect((await failure(opening)).message).toContain('cannot be used: the file is damaged')
  expect(readdirSync(own)).toEqual(['zai2api.sqlite'])
})

test('in the folder of the program, whatever is no database is a damaged one', async () => {
  const own = join(newPath(), '..')
  writeFileSync(join(own, 'zai2api.sqlite'), new Uint8Array(20_000))
  const warnings: string[] = []
  const warn = (message: string) => void warnings.push(message)
  const sql = await openDatabase({ url: undefined, folder: own, clock: manualClock(), warn })
  await addBudget(sql, 'a')
  expect(warnings).toEqual([expect.stringContaining('is damaged: it is now')])
  await sql.close()
})

test.each<[string, (path: string) => void]>([
  ['notes', (path) => writeFileSync(path, 'Buy milk.')],
  ['long notes', (path) => writeFileSync(path, 'Buy milk. '.repeat(10_000))],
  ['nothing but zeros', (path) => writeFileSync(path, new Uint8Array(8_192))],
  ["another program's database", (path) => otherDatabase(path, 'CREATE TABLE notes (text)')],
  [
    'one with tables of common names',
    (path) => otherDatabase(path, 'CREATE TABLE keys (id)', 'CREATE TABLE schema_version (v)'),
  ],
  ['one without tables that says whose it is', (path) => otherDatabase(path, 'PRAGMA application_id = 7')],
  [
    'one that is written by write-ahead log',
    (path) => otherDatabase(path, 'PRAGMA journal_mode = WAL', 'CREATE TABLE notes (text)'),
  ],
  ['a damaged one of nobody knows whom', (path) => writeFileSync(path, `SQLite format 3\0${'x'.repeat(9_000)}`)],
  [
    'a link to notes',
    (path) => {
      writeFileSync(`${path}.txt`, 'Buy milk.')
      symlinkSync(`${path}.txt`, path)
    },
  ],
])('DATABASE_URL and STORE leave alone what they have not made: %s', async (_what, make) => {
  const path = newPath()
  make(path)
  if (process.platform !== 'win32') chmodSync(path, 0o644)
  const files = () =>
    readdirSync(join(path, '..'), { withFileTypes: true }).map(({ name, parentPath }) => [
      name,
      readFileSync(join(parentPath, name), 'latin1'),
      statSync(join(parentPath, name)).mode,
    ])
  const before = files()
  const warn = (message: string) => {
    throw new Error(message)
  }
  const sentence = `${path} exists and is no database of zai2api, so it is left as it is. Give another path, or move it away.`
  const opening = openDatabase({ url: `sqlite:${path}`, folder, clock: manualClock(), warn })
  expect((await failure(opening))?.message).toBe(`DATABASE_URL: ${sentence}`)
  const store = () => createResponseStore({ path, maxBytes: 1_000, maxRows: 1, maxAgeMs: 1_000, now: () => 0, warn })
  expect(store).toThrow(`STORE: ${sentence}`)
  expect(files()).toEqual(before)
})

function otherDatabase(path: string, ...statements: string[]): void {
  const connection = new Connection(path)
  for (const statement of statements) connection.run(statement)
  connection.close()
}

test('an empty file, and a database of an older version, are used', async () => {
  const [empty, older] = [newPath(), newPath()]
  writeFileSync(empty, '')
  const first = setUp({ path: older })
  await addBudget(first.sql, 'before')
  await first.sql`PRAGMA application_id = 0`
  await first.sql.close()
  const [one, other] = [setUp({ path: empty }), setUp({ path: older })]
  expect([await ids(one.sql), await ids(other.sql)]).toEqual([[], ['before']])
  expect(await other.sql`PRAGMA application_id`).toEqual([{ application_id: 0x7a_61_69_32 }])
  await Promise.all([one.sql.close(), other.sql.close()])
})

test.skipIf(process.platform === 'win32')(
  'a file that somebody puts in place of the open database is left alone',
  async () => {
    const { path, sql, warnings, clock } = setUp()
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix)
    writeFileSync(path, 'Buy milk.')
    await afterUpkeep({ clock, sql })
    expect(warnings).toEqual([`${path} could not be opened again`])
    expect(readFileSync(path, 'utf8')).toBe('Buy milk.')
    await sql.close()
  },
)

test('a page that is damaged is met later, and the file moved aside then', async () => {
  const path = newPath()
  const first = setUp({ path })
  // Pages of the schema and of empty tables.
  const [empty] = await first.sql<{ page_count: number }>`PRAGMA page_count`
  for (let index = 0; index < 400; index++) await addBudget(first.sql, `budget ${index} ${'x'.repeat(200)}`)
  await first.sql.close()
  const bytes = readFileSync(path)
  bytes.fill(0xff, 4_096 * (empty?.page_count ?? 0))
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

test('a folder that cannot be made: the database is in memory, with a warning', async () => {
  const warnings: string[] = []
  const warn = (message: string) => void warnings.push(message)
  const url = `sqlite:${join(newFile(), 'below a file', 'x.sqlite')}`
  const sql = await openDatabase({ url, folder, clock: manualClock(), warn })
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

test.each([
  'postgres://ann:the#password@host/app',
  'postgres://ann:1234#password@host/app',
  'postgres://ann:1234/password@host/app',
  'postgresql://ann:1234?password@host/app',
])('an address whose password has characters of addresses is an error without it: %s', async (url) => {
  const opening = openDatabase({ url, folder, clock: manualClock(), warn: () => {} })
  const { message } = await failure(opening)
  expect(message).toStartWith('DATABASE_URL cannot be read as postgres://user:password@host/name. In its user and')
  for (const part of ['ann:', '12', 'the#']) expect(message).not.toContain(part)
})

test('a folder in place of the file is an error', async () => {
  const opening = openDatabase({ url: `sqlite:${folder}`, folder, clock: manualClock(), warn: () => {} })
  expect((await failure(opening)).message).toBe(`DATABASE_URL: ${folder} is no file. Give the path of a file.`)
})

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

import { Database as SqliteFile } from 'bun:sqlite'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/async/system-clock.ts'
import { statementsAfter, versionTable } from '../../src/database/migrations.ts'
import { openDatabase } from '../../src/database/open.ts'
import { type Database, newRows, type Sql, sourceText, type TransactionalSql } from '../../src/database/sql.ts'
import { copiedTables, exportRows, importRows, transientTables } from '../../src/database/transfer.ts'
import { noPostgres, type Postgres, startPostgres } from '../support/postgres.ts'

// The real command line, over databases of both engines.

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-transfer-'))
  folders.push(folder)
  return folder
}

const open = (url: string) =>
  openDatabase({ url, folder: undefined, clock: systemClock, warn: (message) => expect.unreachable(message) })

function zai2api(url: string, ...args: string[]) {
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, 'src/main.ts', 'db', ...args], {
    env: { PATH: process.env.PATH, HOME: tmpdir(), DATABASE_URL: url },
  })
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() }
}

/** More rows than a page has, with all that JSON, paging and types could lose. */
async function fill(url: string): Promise<void> {
  const sql = await open(url)
  const most = Number.MAX_SAFE_INTEGER
  for (const [table, { columns }] of Object.entries(copiedTables)) {
    const texts = ['a', '中文 “quoted” \\ and\nlines', '']
    const rows = Array.from({ length: table === 'requests' ? 1_203 : 3 }, (_, at) =>
      Object.fromEntries(
        columns.map((column) => {
          if (/^(id|hash)$/.test(column)) return [column, `${column} ${String(at).padStart(5, '0')}`]
          if (
            /^(key|model|upstream|client|name|label|prefix|rules|unit|span|budget|session|agent|error|meta|detail|reply|input)$/.test(
              column,
            )
          )
            return [column, texts[at % 3] ?? '']
          if (/^(credits|usd)$/.test(column)) return [column, at % 3 === 0 ? null : 0.1 + at / 7]
          return [column, column === 'at' ? Math.floor(at / 4) : at === 1 ? most : at]
        }),
      ),
    )
    await sql(sourceText('INSERT INTO ', ''), newRows(table, columns, rows))
  }
  await sql.close()
}

async function contents(url: string) {
  const sql = await open(url)
  const all: Record<string, unknown> = {}
  for (const [table, { key, columns }] of Object.entries(copiedTables))
    all[table] = [...(await sql(sourceText(`SELECT ${columns.join(', ')} FROM ${table} ORDER BY ${key.join(', ')}`)))]
  await sql.close()
  return all
}

test('every column of every table is copied, or known to be transient', async () => {
  const sql = await open('memory')
  const tables = await sql<{ name: string }>`SELECT name FROM sqlite_master WHERE type = 'table'`
  expect(tables.map(({ name }) => name).sort()).toEqual([...Object.keys(copiedTables), ...transientTables].sort())
  for (const [table, { columns }] of Object.entries(copiedTables)) {
    const found = await sql<{ name: string }>(sourceText(`SELECT name FROM pragma_table_info('${table}')`))
    expect([table, ...found.map(({ name }) => name).sort()]).toEqual([table, ...[...columns].sort()])
  }
  await sql.close()
})

test('large rows are read and inserted a few at a time', async () => {
  const [from, to] = [await open('memory'), await open('memory')]
  const body = 'x'.repeat(1_000_000)
  const rows = Array.from({ length: 30 }, (_, n) => ({
    ...{ batch: 'b', n, name: `r${n}`, body, outcome: null, response: null },
  }))
  await from`INSERT INTO ${newRows('batch_requests', ['batch', 'n', 'name', 'body', 'outcome', 'response'], rows)}`
  let most = 0
  /** Notes how many rows of more than a megabyte a statement has, or its answer. */
  const watched = (sql: Sql): Sql => {
    return async (text, ...values) => {
      const answer = await sql<object>(text, ...values)
      const inserted = values.flatMap((value) =>
        typeof value === 'object' && value?.kind === 'rows' ? value.rows : [],
      )
      const large = [...answer, ...inserted].filter((row) => Reflect.get(row, 'body') === body)
      most = Math.max(most, large.length)
      return answer as never
    }
  }
  const watching = (sql: Database): TransactionalSql =>
    Object.assign(watched(sql), {
      engine: sql.engine,
      transaction: <T>(work: (inside: Sql) => Promise<T>) => sql.transaction((inside) => work(watched(inside))),
    })
  const lines: string[] = []
  expect(await exportRows(watching(from), (line) => void lines.push(line))).toBe(30)
  async function* read() {
    yield* lines
  }
  expect(await importRows(watching(to), read())).toBe(30)
  expect(most).toBeGreaterThan(0)
  expect(most).toBeLessThan(9)
  await from.close()
  await to.close()
})

test('a file is written for its owner alone and over none, and read by an empty database only', async () => {
  const folder = newFolder()
  const [from, to, file] = [`sqlite:${folder}/a.sqlite`, `sqlite:${folder}/b.sqlite`, join(folder, 'rows.jsonl')]
  await fill(from)
  expect(zai2api(from, 'export', file)).toMatchObject({ exitCode: 0, stdout: `1230 rows are in ${file}.\n` })
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(zai2api(from, 'export', file)).toMatchObject({
    ...{ exitCode: 1, stderr: `zai2api: ${file} is there already; name a new file\n` },
  })
  expect(zai2api(from, 'import', file)).toMatchObject({
    exitCode: 1,
    stderr:
      'zai2api: the database is not empty: its table keys has rows; DATABASE_URL names another, such as sqlite:new.sqlite\n',
  })
  const damaged = join(folder, 'damaged.jsonl')
  await Bun.write(damaged, `${readFileSync(file, 'utf8')}["keys"]\n`)
  expect(zai2api(to, 'import', damaged)).toMatchObject({ exitCode: 1, stdout: '' })
  expect(JSON.parse(zai2api(to, 'status', '--json').stdout)).toMatchObject({ rows: { keys: 0, requests: 0 } })
  expect(zai2api(to, 'import', file)).toMatchObject({ exitCode: 0, stdout: '1230 rows were imported.\n' })
  expect(await contents(to)).toEqual(await contents(from))
  expect(zai2api(from, 'drop')).toMatchObject({ exitCode: 2 })
}, 60_000)

test('a file has the rows of one moment, also of a database that a gateway writes to meanwhile', async () => {
  const url = `sqlite:${newFolder()}/a.sqlite`
  await fill(url)
  const [reading, writing] = [await open(url), await open(url)]
  try {
    const lines: string[] = []
    await exportRows(reading.background, (line) => {
      // Of a table that comes last, behind those that are written already.
      if (lines.push(line) === 2) void writing`UPDATE batch_requests SET name = ${'changed meanwhile'}`
    })
    // The head, the requests, and three rows of each other table.
    expect(lines).toHaveLength(1 + 1_203 + 3 * (Object.keys(copiedTables).length - 1))
    expect(lines.filter((line) => line.includes('changed meanwhile'))).toEqual([])
    // Nothing stays open behind it: both go on.
    await reading`UPDATE batch_requests SET name = ${'changed later'}`
    expect(await writing`SELECT DISTINCT name FROM batch_requests`).toEqual([{ name: 'changed later' }])
  } finally {
    await Promise.all([reading.close(), writing.close()])
  }
})

/** What made a database of the first version. */
function firstStatements(engine: 'sqlite' | 'postgres'): string[] {
  const all = statementsAfter(0, engine)
  return [versionTable, ...all.slice(0, all.indexOf('INSERT INTO schema_version (version) VALUES (1)') + 1)]
}

function expectMigrated(url: string): void {
  const version = statementsAfter(0, 'sqlite').filter((text) => text.startsWith('INSERT INTO schema_version')).length
  for (const _time of ['first', 'second']) {
    const { exitCode, stdout } = zai2api(url, 'migrate')
    expect({ exitCode, schema: /^Schema +(\d+)$/m.exec(stdout)?.[1] }).toEqual({ exitCode: 0, schema: `${version}` })
  }
}

test('migrate brings a file of the first version up to date', () => {
  const path = `${newFolder()}/a.sqlite`
  const file = new SqliteFile(path)
  for (const text of firstStatements('sqlite')) file.run(text)
  file.close()
  expectMigrated(`sqlite:${path}`)
}, 60_000)

test('status names the file and stands in two columns', async () => {
  const home = newFolder()
  const status = (DATABASE_URL: string) => {
    const env = { PATH: process.env.PATH, HOME: home, DATABASE_URL }
    return Bun.spawnSync([process.execPath, 'src/main.ts', 'db', 'status'], { env }).stdout.toString()
  }
  const lines = status('').trim().split('\n')
  expect(lines[0]).toBe(`Database        ${home}/.local/state/zai2api/zai2api.sqlite`)
  expect(lines.map((line) => line.search(/(?<= {2})\S/))).toEqual(lines.map(() => 16))
  expect(status(`sqlite:${home}/other.sqlite`)).toContain(`${home}/other.sqlite\n`)
}, 60_000)

describe.skipIf(noPostgres !== undefined)('PostgreSQL', () => {
  let server: Postgres
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  afterAll(() => server?.stop())

  test('migrate brings a database of the first version up to date', async () => {
    const url = await server.newDatabase()
    const sql = new Bun.SQL({ url, max: 1 })
    for (const text of firstStatements('postgres')) await sql.unsafe(text)
    await sql.close()
    expectMigrated(url)
  }, 60_000)

  test('what goes from SQLite to PostgreSQL and back is the same', async () => {
    const folder = newFolder()
    const [first, second] = [`sqlite:${folder}/a.sqlite`, `sqlite:${folder}/b.sqlite`]
    const between = await server.newDatabase()
    await fill(first)
    const copy = (from: string, to: string, name: string) => {
      expect(zai2api(from, 'export', join(folder, name))).toMatchObject({ exitCode: 0, stderr: '' })
      expect(zai2api(to, 'import', join(folder, name))).toMatchObject({ exitCode: 0, stderr: '' })
    }
    copy(first, between, 'one')
    copy(between, second, 'two')
    expect(readFileSync(join(folder, 'two'), 'utf8')).toBe(readFileSync(join(folder, 'one'), 'utf8'))
    expect(await contents(second)).toEqual(await contents(first))
    const status = zai2api(between, 'status').stdout
    expect(status).toContain(`postgres://127.0.0.1:${server.port}/`)
    expect(status).toMatch(/^requests +1203$/m)
  }, 60_000)
})

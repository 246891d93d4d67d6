import { Database } from 'bun:sqlite'
import { afterAll, describe, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { masterKeyId } from '../../src/core/caller.ts'
import {
  createResponseStore,
  type ResponseStore,
  type ResponseStoreOptions,
  reportFailures,
} from '../../src/store/responses.ts'

const folder = mkdtempSync(join(tmpdir(), 'zai2api-store-'))
afterAll(() => rmSync(folder, { recursive: true }))
let files = 0
const writer = join(import.meta.dir, 'writer.ts')
const newPath = () => join(folder, `${++files}.sqlite`)

const limits = { path: ':memory:', maxBytes: 1_000_000, maxRows: 100, maxAgeMs: 60_000, now: () => 0 }

function setUp(options: Partial<ResponseStoreOptions> = {}) {
  const warnings: string[] = []
  const time = { now: 1_000_000 }
  const store = createResponseStore({
    ...limits,
    now: () => time.now,
    warn: (message) => void warnings.push(message),
    ...options,
  })
  return { store, warnings, time }
}

/** Those of the ids that the store has for their owner. */
async function storedOf(store: ResponseStore, ids: string[]): Promise<string[]> {
  const found = await Promise.all(ids.map((id) => store.get('ann', id)))
  return found.flatMap((response) => response?.id ?? [])
}

const kept = (id: string, text = '') => ({ id, reply: { id, text }, input: [{ type: 'message', text: '世界 🙂' }] })

describe.each([
  ['in memory', () => ':memory:'],
  ['in a file', newPath],
])('a store %s', (_name, path) => {
  const open = (options: Partial<ResponseStoreOptions> = {}) => setUp({ path: path(), ...options })

  test('gives back what it was given, until it is deleted', async () => {
    const { store } = open()
    await store.put('ann', kept('a'))
    expect(await store.get('ann', 'a')).toEqual(kept('a'))
    expect(await store.delete('ann', 'a')).toBe(true)
    expect(await store.delete('ann', 'a')).toBe(false)
    expect(await store.get('ann', 'a')).toBeUndefined()
  })

  test('gives and deletes what it keeps for its owner alone', async () => {
    const { store } = open()
    await store.put('ann', kept('a'))
    expect(await store.get('bob', 'a')).toBeUndefined()
    expect(await store.delete('bob', 'a')).toBe(false)
    expect(await store.get('ann', 'a')).toEqual(kept('a'))
  })

  test('takes the newer of two with one id', async () => {
    const { store } = open()
    await store.put('ann', kept('a', 'old'))
    await store.put('ann', kept('a', 'new'))
    expect(await store.get('ann', 'a')).toEqual(kept('a', 'new'))
  })

  test('lets the oldest go when there are too many', async () => {
    const { store } = open({ maxRows: 2 })
    for (const id of ['a', 'b', 'c']) await store.put('ann', kept(id))
    expect(await storedOf(store, ['a', 'b', 'c'])).toEqual(['b', 'c'])
  })

  test('lets the oldest go when they are too large', async () => {
    const { store } = open({ maxBytes: 1_000 })
    for (const id of ['a', 'b', 'c']) await store.put('ann', kept(id, 'x'.repeat(400)))
    expect(await storedOf(store, ['a', 'b', 'c'])).toEqual(['b', 'c'])
  })

  test.each([
    ['many', { maxRows: 4 }, ''],
    ['large ones', { maxBytes: 2_000 }, 'x'.repeat(400)],
  ])('keeps what others have there when one owner stores %s', async (_name, limit, text) => {
    const { store } = open(limit)
    await store.put('ann', kept('a', text))
    await store.put('cid', kept('c', text))
    for (let turn = 0; turn < 10; turn++) await store.put('bob', kept(`b${turn}`, text))
    expect(await store.get('ann', 'a')).toBeDefined()
    expect(await store.get('cid', 'c')).toBeDefined()
    const bobs = await Promise.all(['b7', 'b8', 'b9'].map((id) => store.get('bob', id)))
    expect(bobs.map((response) => response?.id)).toEqual([undefined, 'b8', 'b9'])
  })

  test('makes room for a newcomer at the cost of whoever has the most', async () => {
    const { store } = open({ maxRows: 3 })
    for (const id of ['a', 'b', 'c']) await store.put('ann', kept(id))
    await store.put('bob', kept('d'))
    expect(await storedOf(store, ['a', 'b', 'c'])).toEqual(['b', 'c'])
    expect(await store.get('bob', 'd')).toBeDefined()
  })

  test('leaves the others alone when one alone is too large', async () => {
    const { store } = open({ maxBytes: 1_000 })
    await store.put('ann', kept('a'))
    await store.put('ann', kept('b', 'x'.repeat(1_000)))
    expect(await storedOf(store, ['a', 'b'])).toEqual(['a'])
  })

  test('forgets what is too old, written since or not', async () => {
    const { store, time } = open({ maxAgeMs: 10 })
    await store.put('ann', kept('a'))
    time.now += 11
    expect(await store.get('ann', 'a')).toBeUndefined()
    await store.put('ann', kept('b'))
    expect(await store.delete('ann', 'a')).toBe(false)
    expect(await store.get('ann', 'b')).toBeDefined()
  })
})

test('a file is still there after a restart, with one writer or two', async () => {
  const path = newPath()
  const one = setUp({ path })
  const two = setUp({ path })
  await one.store.put('ann', kept('a'))
  await two.store.put('ann', kept('b'))
  expect(await one.store.get('ann', 'b')).toEqual(kept('b'))
  await one.store.close()
  await two.store.close()
  expect(await setUp({ path }).store.get('ann', 'a')).toEqual(kept('a'))
})

/** A file as versions without owners have made it. */
function oldFile(): { path: string; write: (id: string) => void } {
  const path = newPath()
  const database = new Database(path, { create: true })
  database.run('PRAGMA journal_mode = WAL')
  database.run(
    'CREATE TABLE responses (id TEXT PRIMARY KEY, at INTEGER NOT NULL, bytes INTEGER NOT NULL, reply TEXT NOT NULL, input TEXT NOT NULL)',
  )
  database.run('CREATE INDEX responses_by_age ON responses (at, bytes)')
  const write = (id: string) => {
    const { reply, input } = kept(id)
    database.run('INSERT OR REPLACE INTO responses (id, at, bytes, reply, input) VALUES (?, 1000000, 10, ?, ?)', [
      id,
      JSON.stringify(reply),
      JSON.stringify(input),
    ])
  }
  return { path, write }
}

test('a file of a version without owners is the operator’s, and so is what that version still writes', async () => {
  const old = oldFile()
  old.write('before')
  const [one, two] = [setUp({ path: old.path }), setUp({ path: old.path })]
  old.write('since')
  await two.store.put('ann', kept('a'))
  for (const { store } of [one, two]) {
    expect(await store.get(masterKeyId, 'before')).toEqual(kept('before'))
    expect(await store.get(masterKeyId, 'since')).toEqual(kept('since'))
    expect(await storedOf(store, ['before', 'since', 'a'])).toEqual(['a'])
  }
  expect([...one.warnings, ...two.warnings]).toEqual([])
})

/** What an operation resolves with, or the code of the error that a client gets. */
async function resultOf(work: Promise<unknown>): Promise<unknown> {
  return await work.catch((thrown) => thrown.code ?? thrown)
}
const unavailable = 'store_unavailable'

test('a store that rejects is reported once until it works again, and never tells that it has nothing', async () => {
  let isBroken = true
  const store = createResponseStore({ ...limits, warn() {} })
  const broken =
    <Args extends unknown[], T>(work: (...args: Args) => Promise<T>) =>
    (...args: Args) =>
      isBroken ? Promise.reject(new Error('disk')) : work(...args)
  const reports: string[] = []
  const reported = reportFailures(
    {
      put: broken(store.put),
      change: broken(store.change),
      get: broken(store.get),
      delete: broken(store.delete),
      close: broken(store.close),
    },
    (done, cause) => reports.push(`${done}: ${cause}`),
  )
  const useIt = async () => [
    await resultOf(reported.put('ann', kept('a'))),
    await resultOf(reported.change('ann', 'a', (found) => found)),
    await resultOf(reported.get('ann', 'a')),
    await resultOf(reported.delete('ann', 'a')),
  ]
  const failed = Array.from({ length: 4 }, () => unavailable)
  expect([await useIt(), await useIt()]).toEqual([failed, failed])
  expect(reports).toEqual(['written: Error: disk', 'read: Error: disk'])
  isBroken = false
  expect(await useIt()).toEqual([undefined, kept('a'), kept('a'), true])
  isBroken = true
  await useIt()
  await reported.close()
  expect(reports.slice(2)).toEqual(['written: Error: disk', 'read: Error: disk', 'closed: Error: disk'])
})

test.skipIf(process.platform === 'win32')('nobody else may read the files', async () => {
  const path = newPath()
  const { store } = setUp({ path })
  await store.put('ann', kept('a'))
  const modes = ['', '-wal', '-shm'].map((suffix) => statSync(path + suffix).mode & 0o777)
  expect(modes).toEqual([0o600, 0o600, 0o600])
})

test.each([0o644, 0o666, 0o640])('a file that is there with mode %o is made private', async (mode) => {
  const path = newPath()
  await setUp({ path }).store.put('ann', kept('a'))
  const files = ['', '-wal', '-shm'].map((suffix) => path + suffix)
  for (const file of files) chmodSync(file, mode)
  const { store, warnings } = setUp({ path })
  expect(files.map((file) => statSync(file).mode & 0o777)).toEqual([0o600, 0o600, 0o600])
  expect(await store.get('ann', 'a')).toBeDefined()
  expect(warnings).toEqual([])
})

describe('a database that cannot be used is reported once for each thing it cannot do:', () => {
  const useIt = async ({ store }: ReturnType<typeof setUp>) => {
    for (const id of ['a', 'b']) await resultOf(store.put('ann', kept(id)))
    const found = await resultOf(store.get('ann', 'a'))
    await resultOf(store.delete('ann', 'a'))
    return found
  }

  test('a header that is damaged', async () => {
    const path = newPath()
    await setUp({ path }).store.close()
    const bytes = readFileSync(path)
    bytes.write('no SQLite header')
    writeFileSync(path, bytes)
    const broken = setUp({ path })
    expect(await useIt(broken)).toBe(unavailable)
    expect(broken.warnings).toEqual([`The store ${path} could not be opened; replies are not kept meanwhile.`])
  })

  test('a folder that is not there', async () => {
    const missing = setUp({ path: join(folder, 'missing', 'a.sqlite') })
    expect(await useIt(missing)).toBe(unavailable)
    expect(missing.warnings).toHaveLength(1)
  })

  test('locked by another process, until it lets go', async () => {
    const path = newPath()
    const locked = setUp({ path })
    await locked.store.put('ann', kept('before'))
    const other = new Database(path)
    other.run('BEGIN IMMEDIATE')
    for (const id of ['a', 'b']) expect(await resultOf(locked.store.put('ann', kept(id)))).toBe(unavailable)
    expect(locked.warnings).toEqual([`The store ${path} could not be written; replies are not kept meanwhile.`])
    expect(await locked.store.get('ann', 'before')).toBeDefined()
    other.run('ROLLBACK')
    other.close()
    await locked.store.put('ann', kept('c'))
    expect(await locked.store.get('ann', 'c')).toEqual(kept('c'))
  })

  test('closed under its feet', async () => {
    const closed = setUp({ path: newPath() })
    await closed.store.close()
    expect(await useIt(closed)).toBe(unavailable)
    expect(closed.warnings).toEqual([
      expect.stringContaining('could not be written'),
      expect.stringContaining('could not be read'),
    ])
  })

  test.skipIf(process.platform === 'win32')('on a disk that is full', async () => {
    const path = newPath()
    // The largest file the process may write stands for the disk.
    const child = Bun.spawn(
      ['sh', '-c', `trap '' XFSZ; ulimit -f 500; exec "$@"`, 'sh', process.execPath, writer, path],
      { stdout: 'pipe', stderr: 'pipe' },
    )
    const warnings = new Response(child.stderr).text()
    let last = 0
    for await (const piece of child.stdout) {
      last = Number(new TextDecoder().decode(piece).trim().split('\n').at(-1))
      if (last > 2_000) child.kill('SIGKILL')
    }
    expect(last).toBeGreaterThan(2_000)
    expect(await warnings).toBe(`The store ${path} could not be written; replies are not kept meanwhile.\n`)
    expect(await setUp({ path, now: Date.now, maxAgeMs: 1e9 }).store.get('ann', 'resp_10')).toMatchObject({
      reply: { n: 10 },
    })
  })

  test('pages gone bad in the middle', async () => {
    const path = newPath()
    const first = setUp({ path })
    for (let n = 0; n < 50; n++) await first.store.put('ann', kept(`resp_${n}`, 'x'.repeat(2_000)))
    await first.store.close()
    const bytes = await Bun.file(path).bytes()
    bytes.fill(0x5a, 4_096)
    await Bun.write(path, bytes)
    const broken = setUp({ path })
    expect(await useIt(broken)).toBe(unavailable)
    expect(broken.warnings.length).toBeGreaterThan(0)
    expect(new Set(broken.warnings).size).toBe(broken.warnings.length)
  })
})

test('a process killed while it writes leaves a whole database, with all it had stored', async () => {
  const path = newPath()
  const child = Bun.spawn([process.execPath, writer, path], {
    stdout: 'pipe',
    stderr: 'inherit',
  })
  let said = ''
  const text = new TextDecoder()
  for await (const piece of child.stdout) {
    said += text.decode(piece, { stream: true })
    if (!child.killed && said.split('\n').length > 300) child.kill('SIGKILL')
  }
  await child.exited
  expect(child.signalCode).toBe('SIGKILL')

  const { store, warnings } = setUp({ path, now: Date.now, maxAgeMs: 1e9 })
  const stored = said.split('\n').slice(0, -1)
  expect(stored.length).toBeGreaterThanOrEqual(300)
  for (const n of stored) expect(await store.get('ann', `resp_${n}`)).toMatchObject({ reply: { n: Number(n) } })
  expect(warnings).toEqual([])
  await store.close()
  const database = new Database(path)
  expect(database.query<unknown, []>('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
  database.close()
})

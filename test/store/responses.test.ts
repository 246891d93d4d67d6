import { Database } from 'bun:sqlite'
import { afterAll, describe, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createResponseStore, type ResponseStoreOptions } from '../../src/store/responses.ts'

const folder = mkdtempSync(join(tmpdir(), 'zai2api-store-'))
afterAll(() => rmSync(folder, { recursive: true }))
let files = 0
const writer = join(import.meta.dir, 'writer.ts')
const newPath = () => join(folder, `${++files}.sqlite`)

function setUp(options: Partial<ResponseStoreOptions> = {}) {
  const warnings: string[] = []
  const time = { now: 1_000_000 }
  const store = createResponseStore({
    path: ':memory:',
    maxBytes: 1_000_000,
    maxRows: 100,
    maxAgeMs: 60_000,
    now: () => time.now,
    warn: (message) => void warnings.push(message),
    ...options,
  })
  return { store, warnings, time }
}

const kept = (id: string, text = '') => ({ id, reply: { id, text }, input: [{ type: 'message', text: '世界 🙂' }] })

describe.each([
  ['in memory', () => ':memory:'],
  ['in a file', newPath],
])('a store %s', (_name, path) => {
  const open = (options: Partial<ResponseStoreOptions> = {}) => setUp({ path: path(), ...options })

  test('gives back what it was given, until it is deleted', () => {
    const { store } = open()
    store.put(kept('a'))
    expect(store.get('a')).toEqual(kept('a'))
    expect(store.delete('a')).toBe(true)
    expect(store.delete('a')).toBe(false)
    expect(store.get('a')).toBeUndefined()
  })

  test('takes the newer of two with one id', () => {
    const { store } = open()
    store.put(kept('a', 'old'))
    store.put(kept('a', 'new'))
    expect(store.get('a')).toEqual(kept('a', 'new'))
  })

  test('lets the oldest go when there are too many', () => {
    const { store } = open({ maxRows: 2 })
    for (const id of ['a', 'b', 'c']) store.put(kept(id))
    expect(['a', 'b', 'c'].filter((id) => store.get(id))).toEqual(['b', 'c'])
  })

  test('lets the oldest go when they are too large', () => {
    const { store } = open({ maxBytes: 1_000 })
    for (const id of ['a', 'b', 'c']) store.put(kept(id, 'x'.repeat(400)))
    expect(['a', 'b', 'c'].filter((id) => store.get(id))).toEqual(['b', 'c'])
  })

  test('leaves the others alone when one alone is too large', () => {
    const { store } = open({ maxBytes: 1_000 })
    store.put(kept('a'))
    store.put(kept('b', 'x'.repeat(1_000)))
    expect(['a', 'b'].filter((id) => store.get(id))).toEqual(['a'])
  })

  test('forgets what is too old, written since or not', () => {
    const { store, time } = open({ maxAgeMs: 10 })
    store.put(kept('a'))
    time.now += 11
    expect(store.get('a')).toBeUndefined()
    store.put(kept('b'))
    expect(store.delete('a')).toBe(false)
    expect(store.get('b')).toBeDefined()
  })
})

test('a file is still there after a restart, with one writer or two', () => {
  const path = newPath()
  const one = setUp({ path })
  const two = setUp({ path })
  one.store.put(kept('a'))
  two.store.put(kept('b'))
  expect(one.store.get('b')).toEqual(kept('b'))
  one.store.close()
  two.store.close()
  expect(setUp({ path }).store.get('a')).toEqual(kept('a'))
})

test.skipIf(process.platform === 'win32')('nobody else may read the files', () => {
  const path = newPath()
  const { store } = setUp({ path })
  store.put(kept('a'))
  const modes = ['', '-wal', '-shm'].map((suffix) => statSync(path + suffix).mode & 0o777)
  expect(modes).toEqual([0o600, 0o600, 0o600])
})

test.each([0o644, 0o666, 0o640])('a file that is there with mode %o is made private', (mode) => {
  const path = newPath()
  setUp({ path }).store.put(kept('a'))
  const files = ['', '-wal', '-shm'].map((suffix) => path + suffix)
  for (const file of files) chmodSync(file, mode)
  const { store, warnings } = setUp({ path })
  expect(files.map((file) => statSync(file).mode & 0o777)).toEqual([0o600, 0o600, 0o600])
  expect(store.get('a')).toBeDefined()
  expect(warnings).toEqual([])
})

describe('a database that cannot be used is reported once for each thing it cannot do, and nothing throws:', () => {
  const useIt = ({ store }: ReturnType<typeof setUp>) => {
    for (const id of ['a', 'b']) store.put(kept(id))
    const found = store.get('a')
    store.delete('a')
    return found
  }

  test('no database at all', async () => {
    const path = newPath()
    await Bun.write(path, 'This is a letter, and no database. '.repeat(100))
    const broken = setUp({ path })
    expect(useIt(broken)).toBeUndefined()
    expect(broken.warnings).toEqual([`The store ${path} could not be opened; replies are not kept meanwhile.`])
  })

  test('a folder that is not there', () => {
    const missing = setUp({ path: join(folder, 'missing', 'a.sqlite') })
    expect(useIt(missing)).toBeUndefined()
    expect(missing.warnings).toHaveLength(1)
  })

  test('locked by another process, until it lets go', () => {
    const path = newPath()
    const locked = setUp({ path })
    locked.store.put(kept('before'))
    const other = new Database(path)
    other.run('BEGIN IMMEDIATE')
    for (const id of ['a', 'b']) locked.store.put(kept(id))
    expect(locked.warnings).toEqual([`The store ${path} could not be written; replies are not kept meanwhile.`])
    expect(locked.store.get('before')).toBeDefined()
    other.run('ROLLBACK')
    other.close()
    locked.store.put(kept('c'))
    expect(locked.store.get('c')).toEqual(kept('c'))
  })

  test('closed under its feet', () => {
    const closed = setUp({ path: newPath() })
    closed.store.close()
    expect(useIt(closed)).toBeUndefined()
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
    expect(setUp({ path, now: Date.now, maxAgeMs: 1e9 }).store.get('resp_10')).toMatchObject({ reply: { n: 10 } })
  })

  test('pages gone bad in the middle', async () => {
    const path = newPath()
    const first = setUp({ path })
    for (let n = 0; n < 50; n++) first.store.put(kept(`resp_${n}`, 'x'.repeat(2_000)))
    first.store.close()
    const bytes = await Bun.file(path).bytes()
    bytes.fill(0x5a, 4_096)
    await Bun.write(path, bytes)
    const broken = setUp({ path })
    expect(useIt(broken)).toBeUndefined()
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
  for (const n of stored) expect(store.get(`resp_${n}`)?.reply).toMatchObject({ n: Number(n) })
  expect(warnings).toEqual([])
  store.close()
  const database = new Database(path)
  expect(database.query<unknown, []>('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
  database.close()
})

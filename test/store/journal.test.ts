import { Database } from 'bun:sqlite'
import { afterEach, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/async/system-clock.ts'
import { openJournal } from '../../src/store/journal.ts'
import { manualClock } from '../support/clock.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

function newPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-journal-'))
  folders.push(folder)
  return join(folder, 'journal.sqlite')
}

function opened(options: Partial<Parameters<typeof openJournal>[0]> = {}) {
  const warnings: string[] = []
  const warn = (message: string) => void warnings.push(message)
  return {
    warnings,
    journal: openJournal({ path: undefined, database: 'one', clock: manualClock(), warn, ...options }),
  }
}

const entry = (id: string) => ({ id, text: JSON.stringify({ of: id }) })

test('entries are there in their order for the next process, and for its owner alone', () => {
  const path = newPath()
  const { journal } = opened({ path })
  for (const id of ['b', 'a', 'c']) journal.add('costs', entry(id))
  journal.add('requests', entry('r'))
  const { journal: another } = opened({ path })
  expect(another.oldest('costs', 2)).toEqual([entry('b'), entry('a')])
  another.remove('costs', ['b', 'never there'])
  another.close()
  expect(journal.oldest('costs', 9)).toEqual([entry('a'), entry('c')])
  expect([journal.count('costs'), journal.count('requests'), journal.isLasting]).toEqual([2, 1, true])
  expect(statSync(path).mode & 0o777).toBe(0o600)
  journal.close()
})

test('an entry is with the operating system before the call returns', async () => {
  const path = newPath()
  const program = `
    const { openJournal } = await import('${import.meta.dir}/../../src/store/journal.ts')
    const { systemClock } = await import('${import.meta.dir}/../../src/async/system-clock.ts')
    const journal = openJournal({ path: '${path}', database: 'one', clock: systemClock, warn() {} })
    for (let n = 0; n < 50; n++) journal.add('costs', { id: 'id ' + n, text: '{}' })
    process.kill(process.pid, 'SIGKILL')`
  const child = Bun.spawn([process.execPath, '-e', program])
  await child.exited
  expect(child.signalCode).toBe('SIGKILL')
  const { journal } = opened({ path, clock: systemClock })
  expect(journal.count('costs')).toBe(50)
  journal.close()
})

test('the oldest of too many are dropped, which is said once', () => {
  const { journal, warnings } = opened({ mostEntries: 3 })
  for (let n = 0; n < 6; n++) journal.add('costs', entry(`${n}`))
  expect(journal.oldest('costs', 9).map(({ id }) => id)).toEqual(['3', '4', '5'])
  expect(warnings).toEqual(['the database is away for so long that the oldest of 3 costs are lost'])
  expect(journal.isLasting).toBe(false)
  journal.close()
})

test('what is so old that the database may have forgotten it is not counted again', () => {
  const path = newPath()
  const clock = manualClock()
  const { journal } = opened({ path, clock })
  journal.add('costs', entry('old'))
  clock.advance(20 * 24 * 3_600_000)
  journal.add('costs', entry('new'))
  journal.close()
  clock.advance(10 * 24 * 3_600_000)
  const { journal: later } = opened({ path, clock })
  expect(later.oldest('costs', 9)).toEqual([entry('new')])
  later.close()
})

test('entries of another database are neither read nor counted nor dropped', () => {
  const path = newPath()
  const { journal } = opened({ path })
  const { journal: another, warnings } = opened({ path, database: 'another', mostEntries: 3 })
  for (const id of ['a', 'b']) journal.add('costs', entry(id))
  for (const id of ['c', 'd', 'e', 'f']) another.add('costs', entry(id))
  expect([journal.oldest('costs', 9), journal.count('costs')]).toEqual([[entry('a'), entry('b')], 2])
  expect([another.oldest('costs', 1), another.count('costs')]).toEqual([[entry('d')], 3])
  expect(warnings).toEqual(['the database is away for so long that the oldest of 3 costs are lost'])
  journal.close()
  another.close()
  const { journal: again } = opened({ path })
  expect(again.count('costs')).toBe(2)
  again.close()
})

test('entries of another database do not count towards the bound', () => {
  const path = newPath()
  const { journal, warnings } = opened({ path, mostEntries: 3 })
  const { journal: another } = opened({ path, database: 'another', mostEntries: 3 })
  journal.add('costs', entry('a'))
  for (const id of ['c', 'd', 'e', 'f']) another.add('costs', entry(id))
  another.remove('costs', ['c', 'd', 'e', 'f'])
  journal.add('costs', entry('b'))
  expect(journal.oldest('costs', 9)).toEqual([entry('a'), entry('b')])
  expect(warnings).toEqual([])
  journal.close()
  another.close()
})

test('entries of a version that did not name their database are those of the first that comes', () => {
  const path = newPath()
  const older = new Database(path)
  for (const kind of ['costs', 'requests'])
    older.run(
      `CREATE TABLE ${kind} (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, entry TEXT NOT NULL) STRICT`,
    )
  older.run('INSERT INTO costs (id, at, entry) VALUES (?1, ?2, ?3)', ['a', manualClock().now(), entry('a').text])
  older.close()
  const [{ journal }, { journal: another }] = [opened({ path }), opened({ path, database: 'another' })]
  expect([journal.oldest('costs', 9), another.count('costs')]).toEqual([[entry('a')], 0])
  journal.close()
  another.close()
})

test('a file of another program is left as it is, and entries are in memory', () => {
  const path = newPath()
  writeFileSync(path, 'a diary')
  const { journal, warnings } = opened({ path })
  journal.add('costs', entry('a'))
  expect([journal.count('costs'), journal.isLasting, warnings.length]).toEqual([1, false, 1])
  expect(warnings[0]).toContain('in memory')
  journal.close()
  expect(readFileSync(path, 'utf8')).toBe('a diary')
})

test('a file that cannot be written any more goes on in memory, with all that it has', () => {
  const path = newPath()
  const { journal, warnings } = opened({ path })
  journal.add('costs', entry('a'))
  const { journal: other } = opened({ path })
  journal.add('costs', entry('b'))
  // As on a disk that is full.
  const raw = new Database(path)
  raw.run("CREATE TRIGGER full BEFORE INSERT ON costs BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
  journal.add('costs', entry('c'))
  journal.add('costs', entry('d'))
  expect(journal.oldest('costs', 9).map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd'])
  expect([warnings.length, journal.isLasting, other.count('costs')]).toEqual([1, false, 2])
  raw.close()
  other.close()
  journal.close()
})

import { Database as Connection } from 'bun:sqlite'
import { afterAll, afterEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/async/system-clock.ts'
import { openDatabase } from '../../src/database/open.ts'

const folder = mkdtempSync(join(tmpdir(), 'zai2api-locked-'))
afterAll(() => rmSync(folder, { recursive: true }))
let files = 0
const lockers: { kill(): void }[] = []
afterEach(() => {
  for (const locker of lockers.splice(0)) locker.kill()
})

/** A file of ours, or a new one, that another process has locked. */
async function lockedFile(mode: string, isOurs: boolean) {
  const path = join(folder, `${++files}.sqlite`)
  if (isOurs) await (await openDatabase({ ...options(path), warn: () => {} })).close()
  const locker = Bun.spawn([process.execPath, join(import.meta.dir, 'locker.ts'), path, mode], {
    ...{ stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' },
  })
  lockers.push(locker)
  const { value } = await locker.stdout.getReader().read()
  expect(new TextDecoder().decode(value)).toBe('locked\n')
  return { path, release: () => locker.stdin.end() }
}

const options = (path: string) => ({ url: `sqlite:${path}`, folder: undefined, clock: systemClock })

test.each([
  ['EXCLUSIVE', true],
  ['IMMEDIATE', true],
  ['EXCLUSIVE', false],
])(
  'a file with a lock is used once the lock is gone: %s, made before: %p',
  async (mode, isOurs) => {
    const { path, release } = await lockedFile(mode, isOurs)
    const warnings: string[] = []
    const warn = (message: string) => {
      warnings.push(message)
      release()
    }
    const database = await openDatabase({ ...options(path), warn })
    await database`INSERT INTO settlements (id, at) VALUES ('a', 1)`
    const other = new Connection(path, { readonly: true })
    expect(other.query('SELECT id FROM settlements').all()).toEqual([{ id: 'a' }])
    other.close()
    await database.close()
    expect(warnings).toEqual([`${path} is locked by another process; waiting for it, up to 5 seconds`])
  },
  20_000,
)

test.each([
  [undefined, 'a server'],
  [true, 'a command'],
] as const)(
  'a lock that stays is an error that says so, not a database in memory: %p, %s',
  async (isLasting) => {
    const { path } = await lockedFile('EXCLUSIVE', true)
    let now = 0
    // Its pauses take no time.
    const clock = {
      ...systemClock,
      monotonic: () => now,
      after(ms: number, run: () => void) {
        now += ms
        return systemClock.after(0, run)
      },
    }
    const opening = openDatabase({ ...options(path), clock, warn: () => {}, ...(isLasting ? { isLasting } : {}) })
    const { message } = await opening.then(
      () => new Error('it was opened'),
      (thrown: Error) => thrown,
    )
    expect(message).toStartWith(`The database ${path} is still locked by another process after 5 seconds`)
    expect(message).toContain('DATABASE_URL')
  },
  20_000,
)

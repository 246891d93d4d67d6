import { afterEach, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/async/system-clock.ts'
import { type WatchOptions, watchFiles } from '../../src/cli/watch-files.ts'
import type { Log } from '../../src/observe/log.ts'
import { manualClock } from '../support/clock.ts'
import { until } from '../support/gateway.ts'

const cleanups: (() => unknown)[] = []
afterEach(() => {
  for (const clean of cleanups.splice(0).reverse()) clean()
})

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'zai2api-watch-'))
  cleanups.push(() => rmSync(path, { recursive: true, force: true }))
  return path
}

function logTo(lines: string[]): Log {
  const write = (message: string, facts: object = {}) => void lines.push(`${message} ${JSON.stringify(facts)}`)
  return { debug: write, info: write, warn: write, error: write }
}

describe('a change of a file is noticed', () => {
  const swap = (file: string) => {
    writeFileSync(`${file}.new`, 'b=2\n')
    renameSync(`${file}.new`, file)
  }
  test.each<[string, (file: string) => void]>([
    ['when it is written', (file) => writeFileSync(file, 'b=2\n')],
    ['when another takes its place', swap],
    ['when it is deleted', (file) => rmSync(file)],
  ])('%s', async (_name, change) => {
    const file = join(folder(), '.env')
    writeFileSync(file, 'a=1\n')
    let changes = 0
    cleanups.push(watchFiles({ files: [file], clock: systemClock, log: logTo([]), changed: () => changes++ }))
    change(file)
    await until(() => changes > 0, 'the change to be noticed')
  })

  test('when the file is created, deleted and created again', async () => {
    const file = join(folder(), '.env')
    let changes = 0
    cleanups.push(watchFiles({ files: [file], clock: systemClock, log: logTo([]), changed: () => changes++ }))
    for (const change of [() => writeFileSync(file, 'a=1'), () => rmSync(file), () => writeFileSync(file, 'a=1')]) {
      const before = changes
      change()
      await until(() => changes > before, 'the change to be noticed')
    }
  })

  test('when a link on the way gets a new target, as in Kubernetes, and again after that', async () => {
    const home = folder()
    const version = (name: string, text: string) => {
      mkdirSync(join(home, name))
      writeFileSync(join(home, name, '.env'), text)
      symlinkSync(name, join(home, 'data.new'))
      renameSync(join(home, 'data.new'), join(home, '..data'))
    }
    version('..one', 'a=1')
    symlinkSync('..data/.env', join(home, '.env'))
    let changes = 0
    const files = [join(home, '.env')]
    cleanups.push(watchFiles({ files, clock: systemClock, log: logTo([]), changed: () => changes++ }))
    version('..two', 'a=2')
    await until(() => changes > 0, 'the first swap to be noticed')
    const before = changes
    writeFileSync(join(home, '..two', '.env'), 'a=3')
    await until(() => changes > before, 'a change behind the new link to be noticed')
  })

  test('in another folder that a link leads to', async () => {
    const [here, there] = [folder(), folder()]
    writeFileSync(join(there, 'settings'), 'a=1')
    symlinkSync(join(there, 'settings'), join(here, '.env'))
    let changes = 0
    const files = [join(here, '.env')]
    cleanups.push(watchFiles({ files, clock: systemClock, log: logTo([]), changed: () => changes++ }))
    swap(join(there, 'settings'))
    await until(() => changes > 0, 'the change to be noticed')
  })

  test('in folders that are created later', async () => {
    const file = join(folder(), 'a', 'b', '.env')
    const lines: string[] = []
    let changes = 0
    cleanups.push(watchFiles({ files: [file], clock: systemClock, log: logTo(lines), changed: () => changes++ }))
    mkdirSync(join(file, '..'), { recursive: true })
    await until(() => changes > 0, 'the folders to be noticed')
    const before = changes
    writeFileSync(file, 'a=1')
    await until(() => changes > before, 'the file to be noticed')
    expect(lines).toEqual([])
  })

  test('after circular links are repaired', async () => {
    const home = folder()
    symlinkSync('b', join(home, 'a'))
    symlinkSync('a', join(home, 'b'))
    let changes = 0
    cleanups.push(
      watchFiles({ files: [join(home, 'a')], clock: systemClock, log: logTo([]), changed: () => changes++ }),
    )
    rmSync(join(home, 'b'))
    await until(() => changes > 0, 'the change to be noticed')
  })
})

test('a folder that cannot be watched is logged once and causes no error', () => {
  const lines: string[] = []
  const clock = manualClock()
  let happen = () => {}
  const watch: WatchOptions['watch'] = (path, onEvent) => {
    if (path === '/etc') throw new Error('ENOSPC: no more watches')
    happen = () => onEvent('.env')
    return { on: () => {}, close: () => {} }
  }
  let changes = 0
  const files = ['/etc/.env', '/srv/.env']
  const stop = watchFiles({ files, clock, log: logTo(lines), changed: () => changes++, watch })
  happen()
  clock.advance(300)
  stop()
  expect(changes).toBe(1)
  expect(lines).toEqual([expect.stringMatching(/SIGHUP.*ENOSPC/)])
})

describe('of the events in a folder', () => {
  /** Folders whose events are fired by the test. */
  function scripted() {
    const clock = manualClock()
    const happens = new Map<string, (name: string | null) => void>()
    const watch: WatchOptions['watch'] = (folder, onEvent) => {
      happens.set(folder, onEvent)
      return { on: () => {}, close: () => void happens.delete(folder) }
    }
    let changes = 0
    const files = ['/srv/.env', '/srv/zai2api.toml', '/etc/own.toml']
    const stop = watchFiles({ files, clock, log: logTo([]), changed: () => changes++, watch })
    const happen = (name: string | null, folder = '/srv') => happens.get(folder)?.(name)
    return { clock, happens, happen, stop, changes: () => changes }
  }

  test('writes to a log are ignored', () => {
    const { clock, happen, changes } = scripted()
    for (const name of ['zai2api.log', '.env.swp', 'env', 'own.toml']) happen(name)
    expect(clock.pending()).toBe(0)
    clock.advance(60_000)
    expect(changes()).toBe(0)
  })

  test('a change counts 300 ms after the last event of any of the files', () => {
    const { clock, happen, changes } = scripted()
    for (let round = 0; round < 20; round++) {
      happen(round % 2 ? '.env' : 'zai2api.toml')
      clock.advance(299)
    }
    expect(changes()).toBe(0)
    clock.advance(1)
    expect(changes()).toBe(1)
    clock.advance(60_000)
    expect(changes()).toBe(1)
  })

  test('writes to a log neither hasten nor delay a change', () => {
    const { clock, happen, changes } = scripted()
    happen('own.toml', '/etc')
    for (let round = 0; round < 10; round++) {
      clock.advance(30)
      happen('zai2api.log')
    }
    expect(changes()).toBe(1)
  })

  test('an event without a name counts', () => {
    const { clock, happen, changes } = scripted()
    happen(null)
    clock.advance(300)
    expect(changes()).toBe(1)
  })

  test('no event counts after watching has stopped', () => {
    const { clock, happens, happen, stop, changes } = scripted()
    happen('.env')
    stop()
    expect([clock.pending(), happens.size, changes()]).toEqual([0, 0, 0])
  })
})

import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { follow, type RunCommand } from '../../../src/cli/service/steps.ts'
import { home, makeHome, removeHome } from './installing.ts'

beforeEach(makeHome)
afterEach(removeHome)

describe('the steps', () => {
  const tools = (run: RunCommand) => ({
    ...{ dryRun: false, run, wait: async () => {} },
    io: { env: {}, cwd: '/', readFile: () => undefined, version: '', stdout() {}, stderr() {} },
  })

  test('write UTF-16 as Windows reads it', async () => {
    const path = join(home, 'folder/task.xml')
    const step = { kind: 'write', path, mode: 0o644, text: '<a>Zoë</a>', encoding: 'UTF-16' } as const
    expect(
      await follow(
        [step],
        tools(async () => 0),
      ),
    ).toBe(0)
    const bytes = readFileSync(path)
    expect([...bytes.subarray(0, 4)]).toEqual([0xff, 0xfe, 0x3c, 0])
    expect(new TextDecoder('utf-16le').decode(bytes)).toBe('<a>Zoë</a>')
  })

  test('make the folder of a log', async () => {
    const path = join(home, 'a/b')
    expect(
      await follow(
        [{ kind: 'folder', path, mode: 0o700 }],
        tools(async () => 0),
      ),
    ).toBe(0)
    expect(statSync(path).mode & 0o777).toBe(0o700)
  })

  test('that change an owner come before those that change a mode, and end where it fails', async () => {
    const path = join(home, 'settings')
    writeFileSync(path, '', { mode: 0o600 })
    const step = { kind: 'write', path, mode: 0o640, owner: 'root:zai2api', text: '', keep: true } as const
    expect(
      await follow(
        [step],
        tools(async () => 1),
      ),
    ).toBe(1)
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })
})

import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemCommands } from '../../../src/cli/service/run-command.ts'
import { home, makeHome, removeHome } from './installing.ts'

beforeEach(makeHome)
afterEach(removeHome)

describe.skipIf(process.platform === 'win32')('the commands of root', () => {
  test('are those of the system, whatever PATH says', async () => {
    for (const name of ['true', 'zai2api-own']) {
      writeFileSync(join(home, name), `#!/bin/sh\nexit 7\n`)
      chmodSync(join(home, name), 0o755)
    }
    const env = { PATH: `${home}:.`, OTHER: 'kept' }
    const asRoot = systemCommands(env, 0)
    expect(await asRoot(['true'])).toBe(0)
    expect(await asRoot(['sh', '-c', `test "$OTHER" = kept && case "$PATH" in *${home}*) exit 8 ;; esac`])).toBe(0)
    await expect(asRoot(['zai2api-own'])).rejects.toThrow('there is no zai2api-own')
    expect(await systemCommands(env, 1000)(['true'])).toBe(7)
  })
})

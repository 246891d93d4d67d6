import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemdUnit } from '../../../src/cli/service/systemd.ts'
import { home, makeHome, removeHome } from './installing.ts'

beforeEach(makeHome)
afterEach(removeHome)

describe('the unit', () => {
  test('in deploy is the one for a machine', () => {
    const path = join(import.meta.dir, '../../../deploy/zai2api.service')
    const unit = systemdUnit('system', '/usr/local/bin/zai2api', '/etc/zai2api/zai2api.toml')
    if (process.env.GOLDEN === 'write') writeFileSync(path, unit)
    expect(readFileSync(path, 'utf8')).toBe(unit)
  })

  const analyze = Bun.which('systemd-analyze')
  // Without systemd there is nobody who could judge a unit; the golden files hold its text all the same.
  describe.skipIf(analyze === null)('is judged by systemd', () => {
    const names = ['a folder, 100% $HOME', "o'brien", 'a"b', 'a\\b', "a=b'c", "'", '%h $$ "x" \\n']
    test.each(names.flatMap((name) => (['system', 'user'] as const).map((scope) => [scope, name] as const)))(
      '%s: every line is understood, in a folder %s',
      (scope, name) => {
        const executable = join(home, name, 'zai2api')
        const unit = join(home, 'zai2api.service')
        Bun.spawnSync(['mkdir', '-p', join(executable, '..')])
        writeFileSync(executable, '#!/bin/sh\n')
        chmodSync(executable, 0o755)
        const state = scope === 'user' ? join(home, name) : undefined
        writeFileSync(unit, systemdUnit(scope, executable, join(home, name, 'zai2api.toml'), state))
        const { exitCode, stdout, stderr } = Bun.spawnSync([analyze ?? '', 'verify', '--man=no', unit])
        expect({ exitCode, said: `${stdout}${stderr}` }).toEqual({ exitCode: 0, said: '' })
      },
    )

    test('system: it is confined', () => {
      const unit = join(home, 'zai2api.service')
      writeFileSync(unit, systemdUnit('system', '/usr/local/bin/zai2api', '/etc/zai2api/zai2api.toml'))
      const { stdout } = Bun.spawnSync([analyze ?? '', 'security', '--offline=yes', '--no-pager', unit])
      const level = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(String(stdout))?.[1])
      expect(level).toBeLessThanOrEqual(1.5)
    })
  })
})

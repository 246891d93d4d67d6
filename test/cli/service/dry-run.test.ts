import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServiceOptions } from '../../../src/cli/service-options.ts'
import { makeHome, removeHome, run, type World, windowsEnv } from './installing.ts'

beforeEach(makeHome)
afterEach(removeHome)

describe('--dry-run prints all that would be done, and does nothing', () => {
  const person = { env: { HOME: '/home/ann' } }
  test.each<[string, Partial<ServiceOptions>, World]>([
    ['systemd-system', {}, { uid: 0, env: { HOME: '/root' }, executable: '/home/ann/zai2api' }],
    ['systemd-user', {}, person],
    ['systemd-uninstall', { action: 'uninstall', purge: true }, { uid: 0, env: { HOME: '/root' } }],
    ['systemd-user-download', {}, { env: { HOME: '/home/ann' }, executable: '/home/ann/Downloads/zai2api' }],
    ['launchd', {}, { platform: 'darwin', uid: 501, env: { HOME: '/Users/ann & bob' } }],
    ['windows', {}, { platform: 'win32', env: windowsEnv('C:\\Users\\ann'), executable: 'C:\\Tools\\zai2api.exe' }],
  ])('%s', async (name, options, world) => {
    const { code, ran, stdout, stderr } = await run({ ...options, dryRun: true }, world)
    expect([code, ran, stderr]).toEqual([0, [], ''])
    const golden = join(import.meta.dir, 'golden', `${name}.txt`)
    if (process.env.GOLDEN === 'write') writeFileSync(golden, stdout)
    expect(stdout).toBe(readFileSync(golden, 'utf8'))
    expect(stdout).not.toMatch(/sk-[0-9A-Za-z]{8}/)
  })
})

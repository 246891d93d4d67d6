import { afterAll, describe, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { versionOf } from '../../../src/cli/update/version-of.ts'

const folder = mkdtempSync(join(tmpdir(), 'zai2api-version-'))
afterAll(() => rmSync(folder, { recursive: true }))

let count = 0
function script(text: string): string {
  count += 1
  const path = join(folder, String(count))
  writeFileSync(path, `#!/bin/sh\n${text}\n`)
  chmodSync(path, 0o755)
  return path
}

describe.skipIf(process.platform === 'win32')('the version of an executable', () => {
  test('is what it prints', async () => {
    expect(await versionOf(script('echo "zai2api $1"'))).toBe('zai2api version\n')
  })

  test.each<[string, string, number | undefined, string]>([
    ['fails', 'echo zai2api 9.9.9; exit 3', undefined, 'it ended with code 3'],
    ['prints without an end', 'while :; do echo zai2api 9.9.9; done', undefined, 'it prints more than a version'],
    ['does not end', 'exec sleep 1000', 200, 'it did not say its version within 0.2 s'],
    ['leaves a program behind', 'sleep 5 & echo zai2api 9.9.9', 200, 'it did not say its version within 0.2 s'],
  ])('is refused if it %s', async (_name, text, limitMs, message) => {
    const reason = versionOf(script(text), limitMs).catch((thrown: Error) => thrown.message)
    expect(await reason).toBe(message)
  })

  test('is refused of what is no program', async () => {
    const path = join(folder, 'none')
    writeFileSync(path, 'text')
    await expect(versionOf(path)).rejects.toThrow('EACCES')
  })
})

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { foreignStateWarning, refuseForeignFolders } from '../../src/cli/foreign-folder.ts'

// Only root can give a folder away.
describe.skipIf(process.getuid?.() !== 0)('root in the home of another user', () => {
  let home = ''
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), 'zai2api-foreign-'))
    chownSync(home, 12_345, 12_345)
  })
  afterAll(() => rmSync(home, { recursive: true }))

  test('is told by any folder above the one that would be made', () => {
    expect(() => refuseForeignFolders([join(home, 'a/b')], 0)).toThrow(`${home} belongs to another user; `)
    mkdirSync(join(home, 'of-root'))
    expect(() => refuseForeignFolders([join(home, 'of-root/b')], 0)).toThrow(`${home} belongs to another user; `)
    expect(() => refuseForeignFolders([join(home, 'a/b')], 12_345)).not.toThrow()
    expect(() => refuseForeignFolders(['/root/a'], 0)).not.toThrow()
  })

  test('is warned by a server, which begins all the same', async () => {
    const main = join(import.meta.dir, '../../src/main.ts')
    const child = Bun.spawn([process.execPath, main, 'serve', '--port', '0', '--upstreams', 'demo'], {
      ...{ cwd: '/', env: { HOME: home, PATH: '' }, stdout: 'ignore', stderr: 'pipe' },
    })
    let said = ''
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      said += text
      if (said.includes(' ready ')) child.kill()
    }
    expect(said).toContain(`${home} belongs to another user, who cannot read what root keeps there: `)
    expect(await child.exited).toBe(0)
  })

  test('is not warned where the folder was named for it', () => {
    expect(foreignStateWarning({ HOME: home }, 0)).toStartWith(`${home} belongs to another user`)
    expect(foreignStateWarning({ HOME: home, STATE_DIRECTORY: join(home, 'data') }, 0)).toBeUndefined()
    expect(foreignStateWarning({ HOME: home }, 12_345)).toBeUndefined()
  })
})

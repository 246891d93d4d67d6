import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { putInPlace, writeBeside } from '../../../src/cli/replace-file.ts'
import { executableFile, replaceExecutable } from '../../../src/cli/update/replace.ts'

let folder = ''
let target = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'zai2api-replace-'))
  target = join(folder, 'zai2api')
  writeFileSync(target, 'old')
  chmodSync(target, 0o755)
})
afterEach(() => rmSync(folder, { recursive: true }))

const isRoot = process.getuid?.() === 0
const files = () => readdirSync(folder).sort()
const says = (version: string) => () => Promise.resolve(`zai2api ${version}\n`)

/** Replaces the executable by one with this text, which says version 2.0.0. */
async function replace(text: string, versionOf = says('2.0.0'), path = target): Promise<void> {
  const bytes = () => Promise.resolve(new TextEncoder().encode(text))
  await replaceExecutable(executableFile(path), { version: '2.0.0', bytes, versionOf })
}

describe('replacing an executable', () => {
  test('of two at once, one is told of the other, and the executable is there all the time', async () => {
    const seen: boolean[] = []
    const gates: (() => void)[] = []
    const versionOf = async () => {
      seen.push(existsSync(target))
      await new Promise<void>((resolve) => gates.push(resolve))
      seen.push(existsSync(target))
      return 'zai2api 2.0.0\n'
    }
    const both = [replace('first', versionOf), replace('second', versionOf)].map((each) =>
      each.then(
        () => 'done',
        (thrown: Error) => thrown.message,
      ),
    )
    let settled = false
    const outcomes = Promise.all(both).finally(() => {
      settled = true
    })
    while (!settled) {
      for (const open of gates.splice(0)) open()
      await Bun.sleep(0)
    }
    expect((await outcomes).sort()).toEqual([
      expect.stringContaining(`another zai2api update replaces ${target} (process ${process.pid})`),
      'done',
    ])
    expect([seen.includes(false), readFileSync(target, 'utf8'), files()]).toEqual([false, 'first', ['zai2api']])
  })

  test('stops if another has put a file there in the meantime', async () => {
    const versionOf = () => {
      rmSync(target)
      writeFileSync(target, 'newer')
      return Promise.resolve('zai2api 2.0.0\n')
    }
    await expect(replace('new', versionOf)).rejects.toThrow('has been replaced by another program meanwhile')
    expect([readFileSync(target, 'utf8'), files()]).toEqual(['newer', ['zai2api']])
  })

  test('a step that fails is told in a sentence, and leaves nothing', async () => {
    const versionOf = () => {
      rmSync(target)
      mkdirSync(target)
      return Promise.resolve('zai2api 2.0.0\n')
    }
    await expect(replace('new', versionOf)).rejects.toMatchObject({ name: 'UsageError' })
    expect(files()).toEqual(['zai2api'])
  })

  test('follows no link that lies in wait, and leaves files of the user alone', async () => {
    const victim = join(folder, 'victim')
    writeFileSync(victim, 'mine')
    for (const name of ['zai2api.new', '.zai2api.new']) symlinkSync(victim, join(folder, name))
    writeFileSync(`${target}.old`, 'a copy of mine')
    await replace('new')
    expect([victim, target, `${target}.old`].map((path) => readFileSync(path, 'utf8'))).toEqual([
      'mine',
      'new',
      'a copy of mine',
    ])
    expect(files()).toEqual(['.zai2api.new', 'victim', 'zai2api', 'zai2api.new', 'zai2api.old'])
  })

  test('through a link the file behind it is replaced', async () => {
    const link = join(folder, 'link')
    symlinkSync(target, link)
    await replace('new', says('2.0.0'), link)
    expect([readFileSync(target, 'utf8'), files()]).toEqual(['new', ['link', 'zai2api']])
  })

  test('keeps the mode', async () => {
    chmodSync(target, 0o750)
    await replace('new')
    expect(statSync(target).mode & 0o7777).toBe(0o750)
  })

  test.skipIf(!isRoot)('keeps the owner', async () => {
    chownSync(target, 65534, 65533)
    await replace('new')
    const { uid, gid } = statSync(target)
    expect([uid, gid]).toEqual([65534, 65533])
  })

  test('clears away what an update has left that was killed', async () => {
    const { pid, exited } = Bun.spawn(['true'])
    await exited
    writeFileSync(join(folder, '.zai2api.update'), `${pid}\n`)
    writeFileSync(join(folder, '.zai2api.0123456789ab.new'), 'half')
    writeFileSync(join(folder, 'zai2api.0123456789ab.old'), 'old')
    await replace('new')
    expect([readFileSync(target, 'utf8'), files()]).toEqual(['new', ['zai2api']])
  })

  test('an executable that is gone is named', async () => {
    rmSync(target)
    await expect(replace('new')).rejects.toThrow(`${target} is not there any more`)
  })

  test.skipIf(process.platform === 'win32').each([
    ['SIGINT', 128 + 2, ['zai2api']],
    ['SIGTERM', 128 + 15, ['zai2api']],
    ['SIGKILL', 'SIGKILL', [expect.stringMatching(/^\.zai2api\.[0-9a-f]{12}\.new$/), '.zai2api.update', 'zai2api']],
  ] as const)(
    '%s in the middle leaves the old one, and the next update clears away the rest',
    async (signal, code, left) => {
      const program = `
      import { putInPlace, writeBeside } from '../../../src/cli/replace-file.ts'
import { executableFile, replaceExecutable } from '${join(import.meta.dir, '../../../src/cli/update/replace.ts')}'
      await replaceExecutable(executableFile('${target}'), {
        version: '2.0.0',
        bytes: async () => new Uint8Array(9),
        versionOf: () => new Promise(() => { console.log('checking'); setInterval(() => {}, 1000) }),
      })`
      const child = Bun.spawn([process.execPath, '-e', program], { stdout: 'pipe', stderr: 'inherit' })
      for await (const said of child.stdout) if (String(Buffer.from(said)).includes('checking')) break
      child.kill(signal)
      await child.exited
      expect(child.signalCode ?? child.exitCode).toBe(code)
      expect([readFileSync(target, 'utf8'), files()]).toEqual(['old', [...left]])
      await replace('new')
      expect([readFileSync(target, 'utf8'), files()]).toEqual(['new', ['zai2api']])
    },
  )
})

describe('on Windows, where a file that runs can be renamed alone', () => {
  const fresh = () => writeBeside(target, new TextEncoder().encode('new'), { mode: 0o755 })

  test('the old one is moved away and removed', () => {
    putInPlace(fresh(), target, 'win32')
    expect([readFileSync(target, 'utf8'), files()]).toEqual(['new', ['zai2api']])
  })

  test('it comes back if the new one cannot take its place', () => {
    expect(() => putInPlace(join(folder, 'none'), target, 'win32')).toThrow('ENOENT')
    expect([readFileSync(target, 'utf8'), files()]).toEqual(['old', ['zai2api']])
  })

  test('there may be none before', () => {
    const path = fresh()
    rmSync(target)
    putInPlace(path, target, 'win32')
    expect(files()).toEqual(['zai2api'])
  })
})

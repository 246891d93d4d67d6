import { afterEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfigFile, refuseEndless } from '../../src/cli/config-files.ts'
import { realPath } from '../../src/cli/io.ts'
import { leavesFolder } from '../../src/config/sources.ts'

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean()
})

function folder(): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'zai2api-files-')))
  cleanups.push(() => rmSync(path, { recursive: true, force: true }))
  return path
}

function pipe(path: string): string {
  Bun.spawnSync(['mkfifo', path])
  return path
}

test('a byte order mark is removed, and a missing file is undefined', () => {
  const path = join(folder(), '.env')
  expect(readConfigFile(path)).toBeUndefined()
  writeFileSync(path, '\ufeffHOST=::1\n')
  expect(readConfigFile(path)).toBe('HOST=::1\n')
})

test('a link to an endless device is refused, and so is a file that is too large', () => {
  const [link, large] = [join(folder(), '.env'), join(folder(), '.env')]
  symlinkSync('/dev/zero', link)
  writeFileSync(large, Buffer.alloc(4 * 1024 * 1024 + 1, 35))
  for (const path of [link, large]) expect(() => readConfigFile(path)).toThrow('larger than 4194304 bytes')
})

test('a running server reads regular files only', () => {
  const [regular, missing, link] = [join(folder(), 'a'), join(folder(), 'b'), join(folder(), 'c')]
  writeFileSync(regular, '')
  symlinkSync('/dev/zero', link)
  refuseEndless([regular, missing])
  for (const path of [pipe(join(folder(), '.env')), link])
    expect(() => refuseEndless([regular, path])).toThrow(`${path} is no regular file, which only the start reads`)
})

test('the path of a missing file is resolved through any number of links', () => {
  const [cwd, elsewhere] = [folder(), folder()]
  const surroundings = { env: {}, cwd, readFile: readConfigFile, realPath: (path: string) => realPath(path) }
  symlinkSync(join(elsewhere, 'new'), join(cwd, 'last'))
  symlinkSync('last', join(cwd, 'middle'))
  symlinkSync('middle', join(cwd, 'first'))
  symlinkSync('loop', join(cwd, 'loop'))
  symlinkSync('inner/new', join(cwd, 'inside'))
  mkdirSync(join(cwd, 'inner'))
  expect(['last', 'middle', 'first', 'inside', 'inner/x'].map((name) => leavesFolder(name, surroundings))).toEqual([
    ...[true, true, true, false, false],
  ])
  expect(realPath(join(cwd, 'first'))).toBe(join(elsewhere, 'new'))
  expect(leavesFolder('loop', surroundings)).toBe(false)
})

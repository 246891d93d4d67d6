import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folder = mkdtempSync(join(tmpdir(), 'zai2api-make-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Stands in for npm: notes its arguments, and installs a Bun that works once its own script has run, and does nothing. */
const npm = `#!/bin/sh
echo "$@" >> npm.log
mkdir -p node_modules/.bin node_modules/bun
printf '#!/bin/sh\n[ -e node_modules/bun/installed ]\n' > node_modules/.bin/bun
chmod +x node_modules/.bin/bun
cp bin/bun-install.js node_modules/bun/install.js
case "$*" in *--omit=dev*) rm -rf node_modules/knip ;; *) mkdir -p node_modules/knip ;; esac
`

const bunInstall = `
require('fs').appendFileSync('npm.log', 'bun/install.js\\n')
require('fs').writeFileSync('node_modules/bun/installed', '')
`

beforeAll(() => {
  copyFileSync('Makefile', join(folder, 'Makefile'))
  mkdirSync(join(folder, 'bin'))
  for (const file of ['package.json', 'package-lock.json']) writeFileSync(join(folder, file), '{}')
  writeFileSync(join(folder, 'bin/npm'), npm)
  writeFileSync(join(folder, 'bin/bun-install.js'), bunInstall)
  chmodSync(join(folder, 'bin/npm'), 0o755)
})

/** The arguments of each call of npm that `make TARGET` makes. */
function installsOf(target: string): string[] {
  writeFileSync(join(folder, 'npm.log'), '')
  const env = { PATH: `${join(folder, 'bin')}:${process.env.PATH}` }
  const { exitCode, stderr } = Bun.spawnSync(['make', '--no-print-directory', target], { cwd: folder, env })
  expect({ exitCode, stderr: String(stderr) }).toMatchObject({ exitCode: 0 })
  const lines = readFileSync(join(folder, 'npm.log'), 'utf8').split('\n').filter(Boolean)
  return lines.map((line) => line.replace(' --no-audit --no-fund --loglevel=error', ''))
}

function changeLock(): void {
  writeFileSync(join(folder, 'package-lock.json'), `{ "at": ${performance.now()} }`)
}

test('running needs no package of developers, who get theirs with the first command of theirs and keep them', () => {
  expect(installsOf('demo')).toEqual(['ci --ignore-scripts --omit=dev', 'bun/install.js'])
  expect(installsOf('run')).toEqual([])
  expect(installsOf('outdated')).toEqual(['ci --ignore-scripts'])
  expect(installsOf('demo')).toEqual([])
  changeLock()
  expect(installsOf('demo')).toEqual(['ci --ignore-scripts'])
})

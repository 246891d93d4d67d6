#!/usr/bin/env node
// Starts the executable of this platform, which is a package of its own that npm has installed beside this one.
const { spawn } = require('node:child_process')
const { existsSync } = require('node:fs')
const { constants } = require('node:os')
const { basename, dirname, join } = require('node:path')
const own = require('./package.json')

const system = { linux: 'linux', darwin: 'macos', win32: 'windows' }[process.platform]
const musl = process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime
const name = `${own.name}-${system}-${process.arch}${musl ? '-musl' : ''}`
const executable = process.platform === 'win32' ? 'zai2api.exe' : 'zai2api'

// Only where an installer puts what this package asks for. `require.resolve` would also look into each folder above,
// where anybody may have put one, and into NODE_PATH.
function packageFolder() {
  if (process.versions.pnp) return dirname(require.resolve(`${name}/package.json`))
  const modules = join(__dirname, own.name.includes('/') ? '../..' : '..')
  const beside = basename(modules) === 'node_modules' ? [join(modules, name)] : []
  return [join(__dirname, 'node_modules', name), ...beside].find((path) => existsSync(join(path, 'package.json')))
}

function fail(problem) {
  console.error(`zai2api: ${problem}`)
  process.exit(1)
}

function found() {
  const folder = packageFolder()
  if (folder === undefined)
    fail(
      `the package ${name} ${own.version} is not installed beside this one. Either there is none for this platform, or the ` +
        'installer was told to leave out optional packages (--omit=optional): install both packages of one release',
    )
  const there = require(join(folder, 'package.json'))
  if (there.name !== name || there.version !== own.version)
    fail(
      `${folder} holds ${there.name} ${there.version}, and this one is ${own.version}: install both packages of one release`,
    )
  return join(folder, executable)
}

const path = found()

// Set before the executable runs: a signal that comes sooner would end this process alone.
let child
// A terminal sends Ctrl-C to both; this one has to stay until the other has ended.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
  })
child = spawn(path, process.argv.slice(2), { stdio: 'inherit' })
child.on('error', (error) => {
  console.error(`zai2api: ${path} cannot be started: ${error.message}`)
  process.exit(1)
})
child.on('exit', (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : code))

#!/usr/bin/env node
// Starts the executable of this platform, which is a package of its own that npm has installed beside this one.
const { spawn } = require('node:child_process')
const { existsSync } = require('node:fs')
const { constants } = require('node:os')
const { dirname, join } = require('node:path')

const system = { linux: 'linux', darwin: 'macos', win32: 'windows' }[process.platform]
const musl = process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime
const name = `zai2api-${system}-${process.arch}${musl ? '-musl' : ''}`
const executable = process.platform === 'win32' ? 'zai2api.exe' : 'zai2api'

function found() {
  try {
    const path = join(dirname(require.resolve(`${name}/package.json`)), executable)
    return existsSync(path) ? path : undefined
  } catch {
    return undefined
  }
}

const path = found()
if (path === undefined) {
  console.error(
    `zai2api: the package ${name} is not installed. Either there is none for this platform, or npm was told to leave out ` +
      'optional packages: npm install zai2api --include=optional',
  )
  process.exit(1)
}

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

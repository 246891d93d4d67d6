import { afterEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../support/gateway.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

const main = join(import.meta.dir, '../../src/main.ts')

interface Started {
  child: Bun.Subprocess
  said: () => string
  url: string
}

/** The real program, started by a shell, with its output in files or at a terminal of its own. */
async function start(
  command: string,
  where: 'files' | 'terminal' | 'terminal and files',
  prefix = '',
): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-hangup-'))
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }))
  const out = join(folder, 'out')
  let shown = ''
  const decoder = new TextDecoder()
  // Only a terminal that is created for the process becomes its controlling terminal, whose end causes SIGHUP.
  const terminal = {
    data: (_terminal: Bun.Terminal, bytes: Uint8Array) => {
      shown += decoder.decode(bytes, { stream: true })
    },
  }
  const redirected = where === 'terminal' ? '' : `> ${out} 2>&1`
  const script = `${prefix} exec ${process.execPath} --no-env-file ${main} ${command} --port 0 ${redirected}`
  const child = Bun.spawn(['sh', '-c', script], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', HOME: folder },
    ...(where === 'files' ? { stdio: ['ignore', 'ignore', 'ignore'] as const } : { terminal }),
  })
  cleanups.push(async () => {
    child.kill('SIGKILL')
    await child.exited
  })
  const said = () => (where === 'terminal' ? shown : Bun.file(out).size > 0 ? readFileSync(out, 'utf8') : '')
  await until(() => /listening on http:\S+\d/.test(said()), 'the ready line', 20_000)
  return { child, said, url: /http:\/\/[\d.]+:\d+/.exec(said())?.[0] ?? '' }
}

/** Reads a stream. `midway` is called after the first chunk. */
async function streamed(url: string, midway: () => void): Promise<string> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'GLM-4.5', stream: true, messages: [{ role: 'user', content: '[silence:300] Hi' }] }),
  })
  midway()
  return response.text()
}

const serveDemo = 'serve --upstreams demo'

describe.skipIf(process.platform === 'win32')('a server whose terminal is gone lets running answers finish:', () => {
  test.each<[string, string, 'terminal' | 'terminal and files']>([
    ['the demo', 'demo', 'terminal'],
    ['a server', serveDemo, 'terminal'],
    ['a server whose output goes elsewhere', serveDemo, 'terminal and files'],
  ])(
    '%s',
    async (_what, command, where) => {
      const { child, url } = await start(command, where)
      expect(await streamed(url, () => child.terminal?.close())).toEndWith('data: [DONE]\n\n')
      expect([await child.exited, child.signalCode]).toEqual([0, null])
    },
    30_000,
  )

  test.each<[string, string, 'files' | 'terminal']>([
    ['the demo without a terminal', 'demo', 'files'],
    ['a server at one', serveDemo, 'terminal'],
  ])(
    '%s, on repeated signals',
    async (_what, command, where) => {
      const { child, url } = await start(command, where)
      const text = await streamed(url, () => {
        for (let time = 0; time < 3; time++) child.kill('SIGHUP')
      })
      expect(text).toEndWith('data: [DONE]\n\n')
      expect([await child.exited, child.signalCode]).toEqual([0, null])
    },
    30_000,
  )
})

describe.skipIf(process.platform !== 'linux')('a server keeps running', () => {
  test('while its user has stopped the terminal by Ctrl-S, and shows the rest after Ctrl-Q', async () => {
    const { child, said, url } = await start(`${serveDemo} --log-format text`, 'terminal')
    const shownLines = () => said().split(' id=req_').length - 1
    child.terminal?.write('\x13')
    // Enough for every buffer on the way.
    const lines = 400
    for (let n = 0; n < lines; n++) await (await fetch(`${url}/missing`)).text()
    expect(shownLines()).toBeLessThan(lines)
    child.terminal?.write('\x11')
    await until(() => shownLines() === lines, 'all lines')
    child.kill('SIGTERM')
    expect([await child.exited, child.signalCode]).toEqual([0, null])
  }, 60_000)

  test.each([
    ['where SIGHUP means its configuration', serveDemo, ''],
    ['where it was started to ignore SIGHUP', 'demo', 'trap "" HUP;'],
  ])(
    '%s',
    async (_what, command, prefix) => {
      const { child, said, url } = await start(command, 'files', prefix)
      child.kill('SIGHUP')
      if (prefix === '') await until(() => said().includes('configuration reloaded'), 'the reload')
      expect(await streamed(url, () => child.kill('SIGHUP'))).toEndWith('data: [DONE]\n\n')
      child.kill('SIGTERM')
      expect([await child.exited, child.signalCode]).toEqual([0, null])
    },
    30_000,
  )
})

test('an idle server stops at once, even with open connections of clients and of the collector of traces', async () => {
  const collector = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Promise<Response>(() => {}) })
  cleanups.push(() => collector.stop(true))
  const { child, url } = await start(`demo --otel-exporter-otlp-endpoint ${collector.url}`, 'files')
  await streamed(url, () => {})
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  cleanups.push(() => socket.destroy())
  socket.on('error', () => {})
  await new Promise<void>((resolve) => socket.write('GET /healthz HTTP/1.1\r\nHost: loc', () => resolve()))
  const stoppedAt = performance.now()
  child.kill('SIGTERM')
  expect(await child.exited).toBe(0)
  expect(performance.now() - stoppedAt).toBeLessThan(6_000)
}, 30_000)

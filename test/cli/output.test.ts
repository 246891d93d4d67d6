import { expect, test } from 'bun:test'
import { closeSync, existsSync, openSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type OutputStream, output } from '../../src/cli/output.ts'

type Done = (error?: Error | null) => void

/** A stream whose writes are completed by the test. */
function scripted() {
  const written: string[] = []
  const done: Done[] = []
  const listeners: ((error: Error) => void)[] = []
  const stream: OutputStream = {
    write(text, answer) {
      written.push(text)
      done.push(answer)
    },
    on: (_event, listener) => listeners.push(listener),
  }
  return { stream, written, done, listeners }
}

const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })

test('lines that a full disk refuses are counted, and reported at the first successful write', () => {
  const { stream, done } = scripted()
  const { write, losses } = output(stream)
  const told: number[] = []
  losses.watch((lines) => told.push(lines))
  write('a\nb\n')
  write('c\n')
  done[0]?.(full)
  done[1]?.(full)
  expect(losses.count()).toBe(3)
  expect(told).toEqual([])
  write('d\n')
  done[2]?.()
  expect(told).toEqual([3])
  write('e\n')
  done[3]?.(null)
  expect(told).toEqual([3])
  expect(losses.count()).toBe(3)
})

test('a stream that throws loses its line and nothing else', () => {
  const { write, losses } = output({
    write() {
      throw full
    },
    on() {},
  })
  write('a\n')
  expect(losses.count()).toBe(1)
})

test('at most a million characters wait for a reader that does not read', () => {
  const { stream, written, done } = scripted()
  const { write, losses } = output(stream)
  const line = `${'x'.repeat(99_999)}\n`
  for (let count = 0; count < 20; count++) write(line)
  expect(written).toHaveLength(11)
  expect(losses.count()).toBe(9)
  for (const answer of done) answer()
  write(line)
  expect(written).toHaveLength(12)
})

test('an error event of the stream is handled', () => {
  const { stream, listeners } = scripted()
  output(stream)
  expect(listeners).toHaveLength(1)
  expect(() => listeners[0]?.(full)).not.toThrow()
})

// macOS has no /dev/full.
test.skipIf(!existsSync('/dev/full'))(
  'a server whose log cannot be written goes on, counts the lines, and obeys SIGTERM',
  async () => {
    const main = join(import.meta.dir, '../../src/main.ts')
    const disk = openSync('/dev/full', 'w')
    const env = { PATH: process.env.PATH, LOG_LEVEL: 'debug' }
    const command = [process.execPath, main, 'demo', '--port', '0']
    const child = Bun.spawn(command, { cwd: tmpdir(), env, stdout: 'pipe', stderr: disk })
    closeSync(disk)
    const reader = child.stdout.getReader()
    const greeting = new TextDecoder().decode((await reader.read()).value)
    const url = /listening on (\S+):/.exec(greeting)?.[1]
    for (let count = 0; count < 5; count++) expect((await fetch(`${url}/healthz`)).status).toBe(200)
    let lost = 0
    while (lost < 5) {
      const metrics = await (await fetch(`${url}/metrics`)).text()
      lost = Number(/^zai2api_log_lines_lost_total (\d+)$/m.exec(metrics)?.[1])
    }
    child.kill('SIGTERM')
    expect(await child.exited).toBe(0)
  },
  20_000,
)

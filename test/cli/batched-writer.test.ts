import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { batchedWriter } from '../../src/cli/batched-writer.ts'
import { manualClock } from '../support/clock.ts'
import { until } from '../support/gateway.ts'

function recordingWriter() {
  const written: string[] = []
  const clock = manualClock()
  const { write, flush } = batchedWriter((text) => void written.push(text), clock)
  return { written, clock, write, flush }
}

test('the first text after a quiet moment is written at once, the following ones together', () => {
  const { written, clock, write } = recordingWriter()
  for (const text of ['a', 'b', 'c']) write(text, true)
  expect(written).toEqual(['a'])
  clock.advance(49)
  write('d', true)
  clock.advance(1)
  expect(written).toEqual(['a', 'bcd'])
  write('e', true)
  clock.advance(50)
  expect(written).toEqual(['a', 'bcd', 'e'])
  clock.advance(50)
  expect(clock.pending()).toBe(0)
  write('f', true)
  expect(written).toEqual(['a', 'bcd', 'e', 'f'])
})

test('a text that may not wait is written together with all waiting ones, in order', () => {
  const { written, clock, write } = recordingWriter()
  for (const text of ['a', 'b']) write(text, true)
  write('!')
  write('c', true)
  expect(written).toEqual(['a', 'b!'])
  clock.advance(50)
  expect(written).toEqual(['a', 'b!', 'c'])
})

test('no more than 256 texts wait', () => {
  const { written, write } = recordingWriter()
  for (let count = 0; count < 256; count++) write('a', true)
  expect(written).toEqual(['a'])
  write('b', true)
  expect(written).toEqual(['a', `${'a'.repeat(255)}b`])
})

test('a text given as a function is requested when it is written, not before', () => {
  const { written, clock, write } = recordingWriter()
  const asked: string[] = []
  const later = (text: string) => () => {
    asked.push(text)
    return text
  }
  for (const text of ['a', 'b', 'c']) write(later(text), true)
  expect(asked).toEqual(['a'])
  clock.advance(50)
  expect(written).toEqual(['a', 'bc'])
})

test('flush writes all waiting texts once', () => {
  const { written, clock, write, flush } = recordingWriter()
  for (const text of ['a', 'b']) write(text, true)
  flush()
  flush()
  clock.advance(200)
  expect(written).toEqual(['a', 'b'])
})

test('a failing write that writes about its failure does not repeat itself', () => {
  const said: string[] = []
  const { write } = batchedWriter((text) => {
    said.push(text)
    if (said.length === 1) write('the log is gone')
  }, manualClock())
  write('a', true)
  expect(said).toEqual(['a', 'the log is gone'])
})

const requests = 60

/** The real program, on the scripted model. */
async function program() {
  const main = join(import.meta.dir, '../../src/main.ts')
  const child = Bun.spawn([process.execPath, '--no-env-file', main, 'demo', '--port', '0'], {
    env: { PATH: process.env.PATH ?? '' },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  let said = ''
  const decoder = new TextDecoder()
  const listening = (async () => {
    for await (const piece of child.stdout) said += decoder.decode(piece, { stream: true })
  })()
  await until(() => /^ +Stop +Ctrl-C$/m.test(said), 'the greeting', 20_000)
  const url = /http:\S+\d/.exec(said)?.[0] ?? ''
  const ask = async () => {
    const body = JSON.stringify({ model: 'GLM-4.5', max_tokens: 5, messages: [{ role: 'user', content: 'Hi' }] })
    await (await fetch(`${url}/v1/messages/count_tokens`, { method: 'POST', body })).text()
  }
  return { child, ask, listening }
}

test('the real process: no line is lost when it stops in the middle of its work', async () => {
  const { child, ask, listening } = await program()
  const log = new Response(child.stderr).text()
  await Promise.all(Array.from({ length: requests }, ask))
  child.kill('SIGTERM')
  const lines = (await log).split('\n')
  await listening
  expect(await child.exited).toBe(0)
  expect(lines.at(-1)).toBe('')
  expect(lines.slice(-3, -1).map((line) => / (stopp\w+)/.exec(line)?.[1])).toEqual(['stopping', 'stopped'])
  expect(lines.filter((line) => line.includes('/count_tokens'))).toHaveLength(requests)
}, 30_000)

test('the real process: it answers and stops even if nobody reads the log', async () => {
  const { child, ask, listening } = await program()
  await child.stderr.cancel()
  for (let count = 0; count < 3; count++) await Promise.all(Array.from({ length: 20 }, ask))
  child.kill('SIGTERM')
  await listening
  expect(await child.exited).toBe(0)
}, 30_000)

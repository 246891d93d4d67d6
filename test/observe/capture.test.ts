import { afterEach, expect, test } from 'bun:test'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { createSecretFinder } from '../../src/core/known-secrets.ts'
import { createCapture } from '../../src/observe/capture.ts'
import { createCaptureFiles } from '../../src/observe/capture-files.ts'
import type { CaptureMode } from '../../src/observe/capture-mode.ts'
import type { RequestCapture } from '../../src/observe/capture-recorder.ts'
import { secretFinder } from '../../src/observe/redaction.ts'
import { manualClock } from '../support/clock.ts'
import { until } from '../support/gateway.ts'

const secret = 'Pl4nted-Secret.0123456789abcdef'
const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function setUp(mode: CaptureMode = 'memory', maxBytes = 64_000, diskBytes = 1_000_000, rows = 3) {
  const clock = manualClock()
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-capture-'))
  folders.push(folder)
  const warnings: string[] = []
  const find = secretFinder(createSecretFinder([secret]))
  const searches = { count: 0 }
  const files = () =>
    createCaptureFiles({
      folder: join(folder, 'bodies'),
      retention: () => ({ age: 1_000_000, rows, bytes: diskBytes }),
      clock,
      warn: (message) => warnings.push(message),
    })
  const capture = createCapture({
    clock,
    configured: () => ({ mode, maxBytes, maxDiskBytes: diskBytes }),
    findSecrets(text) {
      searches.count++
      return find(text)
    },
    ...(mode === 'disk' ? { files: files() } : {}),
  })
  const begin = (id: string): RequestCapture => {
    const request = capture.begin(id, clock.monotonic())
    if (!request) throw new Error('nothing is kept')
    return request
  }
  /** One whole request of `size` characters. */
  const keep = (id: string, size = 10) => {
    const request = begin(id)
    request.requestHead({ method: 'POST', url: '/v1/messages', headers: [] })
    request.requestBody('x'.repeat(size))
    request.end()
  }
  return { clock, capture, begin, keep, folder: join(folder, 'bodies'), files, warnings, searches }
}

const wire = (text: string) => {
  const bytes = Buffer.from(`..${text}..`)
  return { bytes, start: 2, end: bytes.length - 2 }
}

test('the four messages of a request, with the times of their chunks', async () => {
  const { clock, capture, begin } = setUp()
  const request = begin('req_1')
  request.requestHead({
    method: 'POST',
    url: '/v1/messages?beta=true',
    headers: [['authorization', 'Bearer my-own-key']],
  })
  request.requestBody('{"model":"glm"}')
  clock.advance(5)
  const exchange = request.exchange(1)
  exchange.sent({ method: 'POST', url: 'https://api/x?token=t', headers: [['x-a', '1']], body: '{"a":1}' })
  clock.advance(10)
  exchange.answered({ status: 200, headers: [['content-type', 'text/event-stream']] })
  const [left, right] = [Buffer.from('data: é').subarray(0, 7), Buffer.from('data: é').subarray(7)]
  exchange.received({ bytes: left, start: 0, end: left.length })
  clock.advance(2.25)
  exchange.received({ bytes: right, start: 0, end: right.length })
  exchange.received(wire('\n\n'))
  request.replyHead({ status: 200, headers: [['content-type', 'text/event-stream']] })
  request.written('data: é', clock.monotonic())
  request.written(Buffer.from('\n\n'), clock.monotonic() + 1)
  request.end()
  expect(await capture.read('req_1')).toEqual({
    bodies: [
      {
        ...{ name: 'client-request', method: 'POST', url: '/v1/messages?beta=true' },
        ...{ headers: [['authorization', 'Bearer [redacted]']], bytes: 15 },
        chunks: [{ at_ms: 0, text: '{"model":"glm"}' }],
      },
      {
        ...{ name: 'upstream-request', attempt: 1, method: 'POST', url: 'https://api/x?token=[redacted]' },
        ...{ headers: [['x-a', '1']], bytes: 7, chunks: [{ at_ms: 5, text: '{"a":1}' }] },
      },
      {
        ...{ name: 'upstream-reply', attempt: 1, status: 200, headers: [['content-type', 'text/event-stream']] },
        bytes: 10,
        chunks: [
          { at_ms: 15, text: 'data: ' },
          { at_ms: 17.3, text: 'é' },
          { at_ms: 17.3, text: '\n\n' },
        ],
      },
      {
        ...{ name: 'client-reply', status: 200, headers: [['content-type', 'text/event-stream']], bytes: 10 },
        chunks: [
          { at_ms: 17.3, text: 'data: é' },
          { at_ms: 18.3, text: '\n\n' },
        ],
      },
    ],
  })
  expect(await capture.original('req_1')).toMatchObject({ body: '{"model":"glm"}' })
})

test('without bodies nothing is taken, and a sentence says why', async () => {
  for (const mode of ['off', 'metadata'] as const) {
    const { capture } = setUp(mode)
    expect(capture.begin('req_1', 0)).toBeUndefined()
    expect(capture.state().used_bytes).toBe(0)
    expect(await capture.read('req_1')).toContain(`CAPTURE is ${mode}`)
  }
})

test('the mode changes for some minutes, and falls back', () => {
  const { clock, capture } = setUp('metadata')
  const states: unknown[] = []
  const leave = capture.subscribe(() => states.push(capture.state().mode))
  capture.set('memory', 10)
  expect(capture.state()).toEqual({
    ...{ mode: 'memory', configured: 'metadata', until: clock.now() + 600_000, used_bytes: 0, max_bytes: 64_000 },
  })
  expect(capture.begin('req_1', 0)).toBeDefined()
  clock.advance(300_000)
  capture.set('memory', 10)
  clock.advance(599_999)
  expect(capture.mode()).toBe('memory')
  clock.advance(1)
  expect(capture.mode()).toBe('metadata')
  expect(capture.state().until).toBeUndefined()
  capture.set('off')
  clock.advance(10_000_000)
  expect(capture.mode()).toBe('off')
  leave()
  capture.set('metadata')
  expect(states).toEqual(['memory', 'memory', 'metadata', 'off'])
})

test('what was not looked at for the longest time makes room', async () => {
  const { capture, keep } = setUp('memory', 20_000)
  for (const id of ['one', 'two', 'three', 'four', 'five', 'six', 'seven']) keep(id, 1_000)
  await capture.read('one')
  keep('eight', 1_000)
  expect(await capture.read('one')).toBeObject()
  expect(await capture.read('two')).toContain('made room')
  for (let more = 0; more < 100; more++) keep(`more-${more}`, 1_000)
  expect(capture.state().used_bytes).toBeLessThanOrEqual(20_000)
  expect(capture.state().used_bytes).toBeGreaterThan(15_000)
})

test('headers, addresses and requests without a body take room, too', () => {
  const { capture, begin } = setUp('memory', 1_000_000)
  const padding = 'x'.repeat(1_000)
  for (let index = 0; index < 2_000; index++) {
    const request = begin(`req_${index}`)
    request.requestHead({ method: 'POST', url: `/v1/messages?${padding}`, headers: [[`x-padding-${index}`, padding]] })
    request.replyHead({ status: 404, headers: [['x-padding', padding]] })
    request.end()
    expect(capture.state().used_bytes).toBeLessThanOrEqual(1_000_000)
  }
})

test('what is counted is about what the memory holds', () => {
  const { capture, begin } = setUp('memory', 20_000_000)
  const heap = () => {
    Bun.gc(true)
    return process.memoryUsage().heapUsed
  }
  const before = heap()
  for (let index = 0; index < 8_000; index++) {
    const request = begin(`req_${index}`)
    const headers = Array.from({ length: 20 }, (_, n): [string, string] => [`x-header-${n}`, `value ${index} ${n}`])
    request.requestHead({ method: 'POST', url: `/v1/messages?${index}`, headers })
    request.requestBody(`{"n":${index}}`)
    request.exchange(1).sent({ method: 'POST', url: '/x', headers, body: '{}' })
    request.replyHead({ status: 200, headers })
    request.end()
  }
  expect(capture.state().used_bytes).toBeGreaterThan(19_000_000)
  expect(heap() - before).toBeLessThan(40_000_000)
})

test('headers that are too long are cut, and such a request cannot be sent again', async () => {
  const { capture, begin } = setUp('memory', 8_000)
  const request = begin('long')
  const headers = Array.from({ length: 50 }, (_, index): [string, string] => [`x-${index}`, 'x'.repeat(90)])
  request.requestHead({ method: 'POST', url: '/', headers })
  request.requestBody('{}')
  const read = await capture.read('long')
  expect(read).toMatchObject({ bodies: [{ truncated: true, method: 'POST', bytes: 0 }] })
  expect(typeof read !== 'string' && read.bodies[0]?.headers.length).toBeWithin(5, 12)
  expect(await capture.original('long')).toBeUndefined()
})

test('a message that is too long is cut, says so, and cannot be sent again', async () => {
  const { capture, keep } = setUp('memory', 8_000)
  keep('long', 5_000)
  expect(await capture.read('long')).toMatchObject({ bodies: [{ truncated: true, bytes: 1_000 }] })
  expect(await capture.original('long')).toBeUndefined()
})

test('of many attempts the last are kept', async () => {
  const { capture, begin } = setUp('memory')
  const request = begin('req_1')
  for (let attempt = 1; attempt <= 50; attempt++) {
    const exchange = request.exchange(attempt)
    exchange.sent({ method: 'POST', url: 'https://api', headers: [], body: '{}' })
    exchange.answered({ status: 429, headers: [] })
    exchange.received(wire('no'))
  }
  const read = await capture.read('req_1')
  if (typeof read === 'string') throw new Error(read)
  expect(read.bodies.map(({ name, attempt }) => `${name} ${attempt}`)).toEqual(
    [43, 44, 45, 46, 47, 48, 49, 50].flatMap((n) => [`upstream-request ${n}`, `upstream-reply ${n}`]),
  )
  const { used_bytes } = capture.state()
  request.exchange(51)
  expect(capture.state().used_bytes).toBeLessThan(used_bytes)
})

test('a request that goes on after it has made room takes none any more', () => {
  const { capture, begin, keep } = setUp('memory', 8_000)
  const request = begin('old')
  request.replyHead({ status: 200, headers: [] })
  request.written('x'.repeat(500), 0)
  for (let more = 0; more < 20; more++) keep(`more-${more}`, 1_000)
  const { used_bytes } = capture.state()
  request.written('x'.repeat(500), 0)
  expect(capture.state().used_bytes).toBe(used_bytes)
})

test.skipIf(process.platform === 'win32')(
  'files are for the user alone, hold no secret, and outlive the program',
  async () => {
    const { capture, begin, folder, files } = setUp('disk')
    const request = begin('req_1')
    request.requestHead({ method: 'POST', url: '/v1/messages', headers: [] })
    request.requestBody(`{"content":"${secret}"}`)
    request.end()
    await capture.close()
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    expect(readdirSync(folder)).toEqual(['req_1.json.gz'])
    const path = join(folder, 'req_1.json.gz')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(gunzipSync(readFileSync(path)).toString()).not.toContain('0123456789abcdef')
    expect(await files().read('req_1')).toMatchObject({ bodies: [{ name: 'client-request' }] })
    expect(await files().read('../req_1')).toBeUndefined()
    expect(capture.state()).toMatchObject({ used_bytes: 4_096, max_bytes: 1_000_000 })
  },
)

test('a file of another version is no capture', async () => {
  const { folder, files } = setUp()
  mkdirSync(folder)
  writeFileSync(join(folder, 'req_1.json.gz'), gzipSync('{"messages":[]}'))
  expect(await files().read('req_1')).toBeUndefined()
})

test('files that are too old or too many are removed', async () => {
  const { folder, clock, files } = setUp()
  mkdirSync(folder)
  for (const id of ['a', 'b', 'c', 'd', 'e']) writeFileSync(join(folder, `${id}.json.gz`), '')
  const at = (id: string, seconds: number) => utimesSync(join(folder, `${id}.json.gz`), seconds, seconds)
  const now = clock.now() / 1000
  for (const [index, id] of ['a', 'b', 'c', 'd'].entries()) at(id, now - 10 + index)
  at('e', now - 2_000)
  writeFileSync(join(folder, 'not-ours.txt'), '')
  const swept = files()
  await until(() => readdirSync(folder).length === 4, 'the removal of two files')
  expect(readdirSync(folder).sort()).toEqual(['b.json.gz', 'c.json.gz', 'd.json.gz', 'not-ours.txt'])
  await swept.close()
})

test('files have a limit of bytes: the newest stay', async () => {
  const { capture, begin, folder } = setUp('disk', 10_000_000, 60_000, 1_000)
  for (let index = 0; index < 30; index++) {
    const request = begin(`req_${String(index).padStart(2, '0')}`)
    request.requestHead({ method: 'POST', url: '/', headers: [] })
    // What cannot be compressed.
    request.requestBody(Buffer.from(crypto.getRandomValues(new Uint8Array(2_000))).toString('base64'))
    request.end()
    await until(() => capture.state().used_bytes > 0, 'the file')
    // Files of the same instant have no order.
    await Bun.sleep(2)
  }
  await capture.close()
  const names = readdirSync(folder).sort()
  expect(names.at(-1)).toBe('req_29.json.gz')
  expect(names.length).toBeWithin(10, 15)
  expect(capture.state()).toMatchObject({ used_bytes: names.length * 4_096, max_bytes: 60_000 })
})

test('what a killed process has left unfinished is removed', async () => {
  const { folder, clock, files } = setUp()
  mkdirSync(folder)
  for (const name of ['old.json.gz.new', 'fresh.json.gz.new']) writeFileSync(join(folder, name), 'x')
  const now = clock.now() / 1000
  utimesSync(join(folder, 'old.json.gz.new'), now - 700, now - 700)
  utimesSync(join(folder, 'fresh.json.gz.new'), now, now)
  const swept = files()
  await until(() => readdirSync(folder).length === 1, 'the removal')
  expect(readdirSync(folder)).toEqual(['fresh.json.gz.new'])
  await swept.close()
})

test.skipIf(process.platform === 'win32' || process.getuid?.() === 0)(
  'a folder that cannot be written costs no request',
  async () => {
    const { capture, keep, folder, warnings } = setUp('disk')
    chmodSync(join(folder, '..'), 0o500)
    keep('one')
    keep('two')
    await capture.close()
    expect(warnings).toEqual(['captured bodies cannot be written'])
    expect(await capture.read('one')).toBeObject()
    chmodSync(join(folder, '..'), 0o700)
  },
)

test.each(['memory', 'disk'] as const)('sizes are told without looking for secrets, in %s', async (mode) => {
  const { capture, begin, searches } = setUp(mode)
  const request = begin('one')
  request.requestHead({ method: 'POST', url: '/v1/messages', headers: [] })
  request.requestBody(`the key ${secret}`)
  const exchange = request.exchange(1)
  exchange.sent({ method: 'POST', url: 'https://host/', headers: [], body: 'x'.repeat(20_000) })
  request.end()
  const before = searches.count
  const sizes = capture.sizes('one')
  // Before the file is written, which is cleaned of secrets.
  expect(searches.count).toBe(before)
  const inMemory = await sizes
  expect(inMemory).toEqual([
    { name: 'client-request', bytes: 8 + secret.length, chunks: 1, truncated: false },
    { name: 'upstream-request', attempt: 1, bytes: 8_000, chunks: 1, truncated: true },
  ])
  await capture.close()
  expect(await capture.sizes('one')).toEqual(inMemory)
  expect(await capture.sizes('none')).toContain('It came before')
})

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { Clock } from '../../src/core/clock.ts'
import { readJson } from '../../src/http/body.ts'
import { manualClock } from '../support/clock.ts'

const limits = { maxBytes: 1_000_000, timeoutMs: 1_000, clock: manualClock() }

function requestOf(pieces: readonly Uint8Array[]): Request {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece)
      controller.close()
    },
  })
  return new Request('http://localhost/', { method: 'POST', body })
}

function cut(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size))
}

test('a body is the same however it is cut, also inside of characters', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 9 }), async (text, size) => {
      const bytes = Buffer.from(JSON.stringify({ text }))
      const { body } = await readJson(requestOf(cut(bytes, size)), limits)
      expect(body).toEqual({ text })
    }),
    { numRuns: 100 },
  )
})

test('pieces that have arrived together are read with turns between them', async () => {
  let turns = 0
  let now = 0
  const manual = manualClock()
  const clock: Clock = {
    ...manual,
    // Each look at the clock is 5 ms later, so every piece has taken long.
    monotonic: () => (now += 5),
    after(ms, run) {
      if (ms === 0) turns++
      return manual.after(ms, run)
    },
  }
  const text = '汉字'.repeat(10_000)
  const pieces = cut(Buffer.from(JSON.stringify({ text })), 4_001)
  expect((await readJson(requestOf(pieces), { ...limits, timeoutMs: 1e9, clock })).body).toEqual({ text })
  expect(turns).toBeGreaterThanOrEqual(pieces.length)
})

test('a text longer than a portion is the same however its body is cut', async () => {
  const text = 'a 汉字🙂 "\\\n'.repeat(300_000)
  const bytes = Buffer.from(JSON.stringify({ text, short: '🙂' }))
  for (const size of [bytes.length, 1_000_003]) {
    const { body } = await readJson(requestOf(cut(bytes, size)), { ...limits, maxBytes: 1e9 })
    expect(Bun.deepEquals(body, { text, short: '🙂' })).toBe(true)
  }
})

test('a byte order mark is no part of a body, whether it comes in pieces or not', async () => {
  const bytes = Buffer.from('\ufeff{"a":1}')
  const whole = new Request('http://localhost/', {
    method: 'POST',
    body: bytes,
    headers: { 'content-length': String(bytes.length) },
  })
  for (const request of [requestOf(cut(bytes, 2)), requestOf([bytes]), whole])
    expect((await readJson(request, limits)).body).toEqual({ a: 1 })
})

test('bytes that are no UTF-8 become replacement characters, also at the end', async () => {
  const bytes = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff, 0xe2, 0x82]), Buffer.from('"}')])
  const { body } = await readJson(requestOf(cut(bytes, 3)), limits)
  expect(body).toEqual({ a: '\ufffd\ufffd' })
  await expect(readJson(requestOf([Buffer.from('{"a":1}'), Buffer.from([0xe2, 0x82])]), limits)).rejects.toMatchObject({
    code: 'invalid_json',
  })
})

describe('a body that says it is too large', () => {
  const headers = { 'content-length': String(limits.maxBytes + 1) }

  /** `left`: pieces that nobody has read yet. */
  function upload(pieces: number, more: Record<string, string> = {}) {
    const sent = { left: pieces }
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (sent.left === 0) return controller.close()
          sent.left--
          controller.enqueue(new Uint8Array(1_000))
        },
      },
      { highWaterMark: 0 },
    )
    return {
      sent,
      request: new Request('http://localhost/', { method: 'POST', body, headers: { ...headers, ...more } }),
    }
  }

  test('is read to its end, so that the refusal is not lost with the connection', async () => {
    const { sent, request } = upload(20)
    await expect(readJson(request, limits)).rejects.toMatchObject({ code: 'request_too_large' })
    expect(sent.left).toBe(0)
  })

  test('is not awaited for long', async () => {
    const clock = manualClock()
    const body = new ReadableStream<Uint8Array>({ pull: () => new Promise(() => {}) })
    const refused = readJson(new Request('http://localhost/', { method: 'POST', body, headers }), { ...limits, clock })
    clock.advance(2_000)
    await expect(refused).rejects.toMatchObject({ code: 'request_too_large' })
  })

  test('is not begun by a client that waits for leave to send it', async () => {
    const { sent, request } = upload(20, { expect: '100-continue' })
    await expect(readJson(request, limits)).rejects.toMatchObject({ code: 'request_too_large' })
    expect(sent.left).toBe(20)
  })
})

import { expect, test } from 'bun:test'
import { readBuffered } from '../../src/http-client/buffered-response.ts'
import { manualClock } from '../support/clock.ts'

function read(body: BodyInit, init: ResponseInit = {}, signal = new AbortController().signal) {
  const clock = manualClock()
  const options = { clock, signal, timeoutMs: 5_000, host: 'api.example.com' }
  return { clock, answer: readBuffered(new Response(body, init), options) }
}

const endless = () => new ReadableStream<Uint8Array>({ pull: () => new Promise(() => {}) })

test('a response is read whatever its status', async () => {
  const { answer } = read('no', { status: 503, headers: { 'retry-after': '3' } })
  expect(await answer).toMatchObject({ status: 503, ok: false, text: 'no' })
  expect((await answer).headers.get('retry-after')).toBe('3')
})

test('a body that takes too long is a timeout that names the host', async () => {
  const { clock, answer } = read(endless())
  clock.advance(5_000)
  await expect(answer).rejects.toMatchObject({
    kind: 'timeout',
    message: 'The upstream did not finish its answer within 5 s.',
    detail: { host: 'api.example.com' },
  })
})

test('an abort ends the wait', async () => {
  const leaving = new AbortController()
  const { answer } = read(endless(), {}, leaving.signal)
  leaving.abort()
  await expect(answer).rejects.toMatchObject({ kind: 'cancelled' })
})

test('an aborted signal rejects at once', async () => {
  await expect(read(endless(), {}, AbortSignal.abort()).answer).rejects.toMatchObject({ kind: 'cancelled' })
})

test('a body that breaks off is upstream-unavailable', async () => {
  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error('reset')) })
  await expect(read(broken).answer).rejects.toMatchObject({ kind: 'upstream-unavailable' })
})

test('an endless response is an error before it fills the memory', async () => {
  let sent = 0
  const piece = new Uint8Array(65_536).fill(0x78)
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(piece)
      sent += piece.length
    },
  })
  await expect(read(body).answer).rejects.toMatchObject({ code: 'upstream_answer_too_large' })
  expect(sent).toBeLessThan(20 * 1024 * 1024)
})

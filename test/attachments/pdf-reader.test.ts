import { expect, test } from 'bun:test'
import { constants, deflateRawSync } from 'node:zlib'
import { systemClock } from '../../src/async/system-clock.ts'
import { limitsWith } from '../../src/attachments/limits.ts'
import { readPdf } from '../../src/attachments/pdf.ts'
import type { PdfMessage } from '../../src/attachments/pdf-messages.ts'
import { createPdfReader, type Pdf } from '../../src/attachments/pdf-reader.ts'
import { startPdfWorker } from '../../src/attachments/start-pdf-worker.ts'
import { manualClock } from '../support/clock.ts'
import { pdfOf } from '../support/pdf.ts'

const options = { vision: false, limits: limitsWith(1_000_000) }
const file = pdfOf([{ lines: ['The first page'] }, { lines: ['The second page'] }])
const page = (text: string): PdfMessage => ({ type: 'page', page: { text, images: [] } })
const megabyte = 1024 * 1024

/** A reader with fake threads, whose messages the test sends. */
function stage(left = 8_000) {
  const clock = manualClock()
  const threads: { tell(step: PdfMessage): void; fail(): void; ended: boolean }[] = []
  let held = 100 * megabyte
  const read = createPdfReader({
    startThread() {
      const thread = {
        onmessage: null,
        onerror: null,
        postMessage() {},
        terminate() {
          seen.ended = true
        },
      }
      const told = (name: 'onmessage' | 'onerror', event: object) =>
        (Reflect.get(thread, name) as ((event: object) => void) | null)?.(event)
      const seen = {
        tell: (data: PdfMessage) => told('onmessage', { data }),
        fail: () => told('onerror', {}),
        ended: false,
      }
      threads.push(seen)
      return thread
    },
    clock,
    memory: { held: () => held, left: () => left * megabyte },
  })
  const take = (megabytes: number) => {
    held += megabytes * megabyte
  }
  const start = (signal = new AbortController().signal): Promise<Pdf | Error> =>
    read(file, options, signal).catch((thrown: Error) => thrown)
  return { clock, threads, take, start }
}

const vast = 'The PDF takes too long or too much memory to read; send a smaller one.'
const broken = 'The PDF is broken and cannot be read; send a whole file.'

const ends: [name: string, how: (on: ReturnType<typeof stage>) => void, cut: string, message: string][] = [
  ['goes on for too long', ({ clock }) => clock.advance(12_000), 'reading took longer than 10 s', vast],
  [
    'takes too much memory',
    ({ take, clock }) => {
      take(1_025)
      clock.advance(50)
    },
    'the rest of it takes too much memory to read',
    vast,
  ],
  ['fails', ({ threads }) => threads[0]?.fail(), 'the rest of it is damaged', broken],
]

test.each(ends)('a thread that %s is ended, and the pages it has read are the result', async (_name, how, cut) => {
  const on = stage()
  const reading = on.start()
  on.threads[0]?.tell({ type: 'opened', pageCount: 7 })
  on.threads[0]?.tell(page('The first page'))
  how(on)
  expect(await reading).toEqual({ pageCount: 7, pages: [{ text: 'The first page', images: [] }], cut })
  expect(on.threads[0]?.ended).toBe(true)
  expect(on.clock.pending()).toBe(0)
})

test.each(ends)('a thread that %s before it has opened the file is an error', async (_name, how, _cut, message) => {
  const on = stage()
  const reading = on.start()
  how(on)
  expect(await reading).toMatchObject({ kind: 'invalid-request', code: 'invalid_document', message })
  expect(on.threads[0]?.ended).toBe(true)
})

test('a thread may take time and memory within the limits', async () => {
  const on = stage()
  const reading = on.start()
  on.take(1_000)
  on.clock.advance(10_900)
  on.threads[0]?.tell({ type: 'opened', pageCount: 0 })
  on.threads[0]?.tell({ type: 'end', cut: undefined })
  expect(await reading).toEqual({ pageCount: 0, pages: [], cut: undefined })
})

test('a thread may take at most half of the free memory', async () => {
  const on = stage(400)
  const reading = on.start()
  on.take(201)
  on.clock.advance(50)
  expect(await reading).toMatchObject({ message: vast })
})

test('a client that disconnects ends its thread', async () => {
  const on = stage()
  const leaving = new AbortController()
  const reading = on.start(leaving.signal)
  leaving.abort()
  expect(await reading).toMatchObject({ kind: 'cancelled' })
  expect(on.threads[0]?.ended).toBe(true)
})

test('two threads run at a time, and one that ends makes room', async () => {
  const on = stage()
  const leaving = new AbortController()
  const readings = [on.start(), on.start(), on.start(leaving.signal), on.start()]
  expect(on.threads).toHaveLength(2)
  // A client that has disconnected meanwhile gets no thread.
  leaving.abort()
  on.threads[0]?.tell({ type: 'refused', because: 'broken' })
  expect(await readings[0]).toMatchObject({ message: broken })
  expect(await readings[2]).toMatchObject({ kind: 'cancelled' })
  expect(on.threads).toHaveLength(3)
  on.threads[1]?.tell({ type: 'refused', because: 'protected' })
  on.threads[2]?.tell({ type: 'refused', because: 'broken' })
  expect(await Promise.all(readings)).toHaveLength(4)
})

test('a thread in an endless loop can be ended', async () => {
  const clock = manualClock()
  const script = 'self.onmessage = () => { self.postMessage({ type: "opened", pageCount: 1 }); for (;;); }'
  const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }))
  const busy = Promise.withResolvers<void>()
  const read = createPdfReader({
    startThread() {
      const thread = new Worker(url)
      thread.addEventListener('message', () => busy.resolve())
      return thread
    },
    clock,
    memory: { held: () => 0, left: () => 0 },
  })
  const reading = read(file, options, new AbortController().signal)
  await busy.promise
  clock.advance(12_000)
  expect(await reading).toEqual({ pageCount: 1, pages: [], cut: 'reading took longer than 10 s' })
  URL.revokeObjectURL(url)
})

test('reading a file of 1 MB that unpacks to 1 GB is ended', async () => {
  const held = process.memoryUsage.rss
  const read = createPdfReader({
    startThread: startPdfWorker,
    clock: systemClock,
    memory: { held, left: () => 200 * megabyte },
  })
  // Compressed blocks that end at a byte boundary can be concatenated.
  const piece = deflateRawSync(Buffer.alloc(megabyte, ' '), { finishFlush: constants.Z_SYNC_FLUSH })
  const deflated = Buffer.concat([Buffer.of(0x78, 0x9c), ...Array<Buffer>(1024).fill(piece)])
  const bomb = pdfOf([{ deflated }])
  expect(bomb.length).toBeLessThan(1.2 * megabyte)
  const reading = read(bomb, options, new AbortController().signal)
  expect(await reading).toEqual({ pageCount: 1, pages: [], cut: 'the rest of it takes too much memory to read' })
})

test('time that runs out within a page ends its text', async () => {
  let looks = 0
  const fastClock = { ...manualClock(), monotonic: () => (++looks > 3 ? 10_000 : 0) }
  const steps: PdfMessage[] = []
  await readPdf(file, options, fastClock, (step) => steps.push(step))
  expect(steps).toEqual([
    { type: 'opened', pageCount: 2 },
    page('The first page'),
    { type: 'end', cut: 'reading took longer than 10 s' },
  ])
})

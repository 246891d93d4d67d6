import { readBatch } from '../../src/core/batch-stream.ts'
import type { Delta } from '../../src/core/events.ts'
import type { Transform } from '../../src/core/transform.ts'
import { byteStreamOf } from '../../src/http-client/send.ts'
import { sseDeltas } from '../../src/wire/event-stream.ts'
import { manualClock } from '../support/clock.ts'

/** Says every payload back as text, and `END` as the end of the reply. */
export const echo: Transform<string, Delta> = {
  push: (data, out) =>
    void out.push(data === 'END' ? { type: 'finish', reason: 'stop' } : { type: 'text', text: data }),
  end() {},
}

export function setUp(body: ReadableStream<Uint8Array>) {
  const clock = manualClock()
  const client = new AbortController()
  const seen = { cancels: 0 }
  const inner = byteStreamOf(body)
  const cancel = () => {
    seen.cancels++
    inner.cancel()
  }
  const source = sseDeltas(
    { next: inner.next, cancel },
    {
      label: 'home',
      decoder: echo,
      clock,
      signal: client.signal,
      idleMs: 5_000,
    },
  )
  return { clock, client, seen, source }
}

/** Payloads, and `error <kind>` where the stream failed. */
export async function readAll(source: ReturnType<typeof setUp>['source']): Promise<string[]> {
  const all: string[] = []
  for (let batch = await readBatch(source); batch; batch = await readBatch(source))
    for (const delta of batch) {
      if (delta.type === 'text') all.push(delta.text)
      if (delta.type === 'error') all.push(`error ${delta.error.kind}`)
    }
  return all
}

import { describe, expect, test } from 'bun:test'
import type { BatchStream } from '../../src/core/batch-stream.ts'
import { GatewayError } from '../../src/core/errors.ts'
import type { Delta } from '../../src/core/events.ts'
import { ReasoningOnlyError } from '../../src/core/reasoning-only-error.ts'
import { awaitFirstDelta } from '../../src/wire/first-delta.ts'

const text = (words: string): Delta => ({ type: 'text', text: words })
const usage: Delta = { type: 'usage', usage: { inputTokens: 1, outputTokens: 1 } }
const finish: Delta = { type: 'finish', reason: 'stop' }
const error: Delta = { type: 'error', error: new GatewayError('upstream-unavailable', 'down') }

function sourceOf(...batches: Delta[][]): BatchStream<Delta[]> & { reads: number; cancelled: boolean } {
  const source = {
    reads: 0,
    cancelled: false,
    next: (hear: (batch: Delta[] | undefined) => void) => hear(batches[source.reads++]),
    cancel: () => {
      source.cancelled = true
    },
  }
  return source
}

describe('a reply has begun', () => {
  test.each<[string, Delta[][], number]>([
    ['with its first word', [[text('a')], [text('b')]], 1],
    ['not with blanks, counts or nothing', [[], [text('\n')], [usage], [text('a')], [text('b')]], 4],
    ['with its end', [[finish], [text('b')]], 1],
  ])('%s', async (_name, batches, reads) => {
    const source = sourceOf(...batches)
    expect((await awaitFirstDelta(source, { label: 'home' })).first).toEqual(batches.slice(0, reads).flat())
    expect([source.reads, source.cancelled]).toEqual([reads, false])
  })

  test.each<[string, Delta[][], string, string]>([
    ['an error that comes first', [[text('\n')], [error]], 'upstream_unavailable', 'down'],
    [
      'a stream that tells nothing',
      [[text('\n')], [usage]],
      'upstream_truncated',
      'home closed the stream without an answer. Try again.',
    ],
  ])('not with %s', async (_name, batches, code, message) => {
    const source = sourceOf(...batches)
    await expect(awaitFirstDelta(source, { label: 'home' })).rejects.toMatchObject({ code, message })
    expect(source.cancelled).toBe(true)
  })
})

test('a reply of reasoning alone has begun, because the caller may retry it', async () => {
  const only: Delta = { type: 'error', error: new ReasoningOnlyError('Hm') }
  const source = sourceOf([only])
  expect(await awaitFirstDelta(source, { label: 'home' })).toEqual({ first: [only], rest: source })
})

test('each delta is looked at once, in however many batches they come', async () => {
  let looks = 0
  const blank = (): Delta => ({
    text: '\n',
    get type() {
      looks++
      return 'text' as const
    },
  })
  const batches = Array.from({ length: 200 }, () => [blank()])
  await awaitFirstDelta(sourceOf(...batches, [text('a'), finish]), { label: 'home' })
  expect(looks).toBeLessThanOrEqual(2 * batches.length)
})

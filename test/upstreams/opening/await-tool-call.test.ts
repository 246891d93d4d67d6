import { describe, expect, test } from 'bun:test'
import type { BatchStream } from '../../../src/core/batch-stream.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import type { Delta } from '../../../src/core/events.ts'
import { awaitToolCall } from '../../../src/upstreams/opening/await-tool-call.ts'

const text = (words: string): Delta => ({ type: 'text', text: words })
const call = (name: string): Delta => ({ type: 'tool-call', key: name, name, arguments: '{}' })
const finish: Delta = { type: 'finish', reason: 'stop' }
const error: Delta = { type: 'error', error: new GatewayError('upstream-unavailable', 'down') }
const long = 'x'.repeat(4_001)

function restOf(batches: Delta[][]): BatchStream<Delta[]> & { reads: number } {
  const rest = {
    reads: 0,
    next: (onBatch: (batch: Delta[] | undefined) => void) => onBatch(batches[rest.reads++]),
    cancel() {},
  }
  return rest
}

describe('a reply that has to contain a call', () => {
  test.each<[string, Delta[][], number, boolean]>([
    ['is read until the call', [[text('a')], [call('go')], [text('b')]], 1, false],
    ['lacks it at its end', [[text('a')], [finish], [text('b')]], 1, true],
    ['lacks it where it breaks off', [[text('a')], [text('b')]], 2, true],
    ['does not lack it after an error', [[text('a')], [error], [call('go')]], 1, false],
    ['lacks it with the call of another tool', [[call('stay')], [finish]], 1, true],
  ])('%s', async (_name, [first = [], ...batches], reads, lacksCall) => {
    const rest = restOf(batches)
    const found = await awaitToolCall({ first, rest }, { name: 'go' }, { whole: true })
    expect([found.lacksCall, rest.reads]).toEqual([lacksCall, reads])
    expect(found.first).toEqual([first, ...batches.slice(0, reads)].flat())
  })

  test('any call will do if none is named', async () => {
    const rest = restOf([[finish]])
    expect(await awaitToolCall({ first: [call('stay')], rest }, 'required', { whole: true })).toMatchObject({
      lacksCall: false,
    })
  })

  test('is shown after 4,000 characters of a stream, and held to its end as a whole reply', async () => {
    const batches = [[text(long)], [text('b')], [finish]]
    const streamed = restOf(batches)
    expect((await awaitToolCall({ first: [], rest: streamed }, 'required', { whole: false })).lacksCall).toBe(false)
    expect(streamed.reads).toBe(1)
    const whole = restOf(batches)
    expect((await awaitToolCall({ first: [], rest: whole }, 'required', { whole: true })).lacksCall).toBe(true)
  })
})

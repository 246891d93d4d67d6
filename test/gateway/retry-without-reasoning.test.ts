import { describe, expect, test } from 'bun:test'
import { readBatch } from '../../src/core/batch-stream.ts'
import { GatewayError } from '../../src/core/errors.ts'
import type { Delta } from '../../src/core/events.ts'
import { ReasoningOnlyError } from '../../src/core/reasoning-only-error.ts'
import type { OpenedReply } from '../../src/core/upstream.ts'
import { retryWithoutReasoning } from '../../src/gateway/retry-without-reasoning.ts'
import { readAll } from '../support/read-all.ts'
import { fromTheStart } from '../support/replies.ts'

const text = (words: string): Delta => ({ type: 'text', text: words })
const reasoning = (words: string): Delta => ({ type: 'reasoning', text: words })
const counted = (outputTokens: number): Delta => ({ type: 'usage', usage: { inputTokens: 10, outputTokens } })
const stop: Delta = { type: 'finish', reason: 'stop' }
const only = (words: string): Delta => ({ type: 'error', error: new ReasoningOnlyError(words) })
const failed: Delta = { type: 'error', error: new GatewayError('timeout', 'late') }

function sourceOf(batches: Delta[][], onCancel = () => {}): OpenedReply {
  const left = [...batches]
  return {
    first: left.shift() ?? [],
    rest: { next: (onBatch) => queueMicrotask(() => onBatch(left.shift())), cancel: onCancel },
  }
}

const deltasOf = (reply: OpenedReply) => readAll(fromTheStart(reply))

const first = [[reasoning('Hm')], [reasoning(' hm'), counted(7), only('Hm hm')]]
const shown = [reasoning('Hm'), reasoning(' hm'), counted(7)]
const asAnswer = [text('Hm hm'), stop]

describe('a reply of reasoning only', () => {
  test.each<[string, Delta[][], Delta[]]>([
    [
      'goes on with the second answer',
      [[text('A')], [text(' cat'), counted(3), stop]],
      [text('A'), text(' cat'), counted(10), stop],
    ],
    [
      'goes on with a call',
      [[{ type: 'tool-call', key: 'a', name: 'b' }, stop]],
      [{ type: 'tool-call', key: 'a', name: 'b' }, stop],
    ],
    ['gets no reasoning of the second call', [[reasoning('Again')], [text('A'), stop]], [text('A'), stop]],
    ['takes what the second says in the wrong channel', [[reasoning('A cat')], [only('A cat')]], [text('A cat'), stop]],
    ['becomes the answer if the second call fails', [[failed]], asAnswer],
    ['becomes the answer if the second reply breaks off', [], asAnswer],
    [
      'becomes the answer if the second reply ends without text',
      [[text('\n'), { type: 'finish', reason: 'length' }]],
      [text('\n'), ...asAnswer],
    ],
    ['fails if the second reply fails in the middle', [[text('A')], [failed]], [text('A'), failed]],
  ])('%s', async (_name, second, expected) => {
    const notes: string[] = []
    const callAgain = () => Promise.resolve(sourceOf(second))
    const source = retryWithoutReasoning(sourceOf(first), { callAgain, annotate: (note) => void notes.push(note) })
    expect(await deltasOf(source)).toEqual([...shown, ...expected])
    expect(notes[0]).toBe('asking again without reasoning: the reply held nothing else')
  })

  test('becomes the answer if there can be no second call', async () => {
    const notes: string[] = []
    const source = retryWithoutReasoning(sourceOf(first), {
      callAgain: undefined,
      annotate: (note) => void notes.push(note),
    })
    expect(await deltasOf(source)).toEqual([...shown, ...asAnswer])
    expect(notes).toEqual(['sent the reasoning as the answer: the reply held nothing else'])
  })

  test('becomes the answer if the second call is refused', async () => {
    const callAgain = () => Promise.reject(new GatewayError('rate-limited', 'busy'))
    expect(await deltasOf(retryWithoutReasoning(sourceOf(first), { callAgain, annotate() {} }))).toEqual([
      ...shown,
      ...asAnswer,
    ])
  })

  test('causes no second call after the reply is cancelled', async () => {
    let cancelled = 0
    const { promise, resolve } = Promise.withResolvers<OpenedReply>()
    const source = fromTheStart(retryWithoutReasoning(sourceOf(first), { callAgain: () => promise, annotate() {} }))
    await readBatch(source)
    await readBatch(source)
    const rest = readBatch(source)
    source.cancel()
    resolve(sourceOf([[text('A')]], () => cancelled++))
    expect(await rest).toBeUndefined()
    expect(cancelled).toBe(1)
  })
})

test('any other reply stays unchanged', async () => {
  const callAgain = () => Promise.reject(new Error('nobody asks'))
  for (const batches of [[[reasoning('Hm')], [text('A'), stop]], [[failed]], [[text('A')]]])
    expect(await deltasOf(retryWithoutReasoning(sourceOf(batches), { callAgain, annotate() {} }))).toEqual(
      batches.flat(),
    )
})

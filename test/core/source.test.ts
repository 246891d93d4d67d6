import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../src/core/errors.ts'
import type { Delta } from '../../src/core/events.ts'
import type { Machine } from '../../src/core/machine.ts'
import { piped, polled, read, type Source } from '../../src/core/source.ts'

const text = (words: string): Delta => ({ type: 'text', text: words })
const finish: Delta = { type: 'finish', reason: 'stop' }
const isLast = ({ type }: Delta) => type === 'finish' || type === 'error'

function sourceOf(...batches: Delta[][]): Source<Delta[]> & { cancelled: number } {
  const source = {
    cancelled: 0,
    next: (hear: (batch: Delta[] | undefined) => void) => hear(batches.shift()),
    cancel: () => void source.cancelled++,
  }
  return source
}

/** Says every text twice, nothing for `-`, and fails at `!`. */
const twice: Machine<Delta, Delta> = {
  push(delta, out) {
    if (delta.type === 'text' && delta.text === '!') throw new TypeError('no words for this')
    if (delta.type !== 'text') out.push(delta)
    else if (delta.text !== '-') out.push(delta, delta)
  },
  end: (out) => void out.push(text('over')),
}

async function all(source: Source<Delta[]>): Promise<string[][]> {
  const batches: string[][] = []
  for (let batch = await read(source); batch; batch = await read(source))
    batches.push(batch.map((delta) => ('text' in delta ? delta.text : delta.type)))
  return batches
}

describe('a source through a machine is', () => {
  test.each<[string, Delta[][], string[][]]>([
    [
      'a batch for a batch, to the last item',
      [[text('a')], [text('b'), finish], [text('c')]],
      [
        ['a', 'a'],
        ['b', 'b', 'finish'],
      ],
    ],
    ['what the machine says at the end, where none is the last', [[text('a')]], [['a', 'a'], ['over']]],
    ['no batch for one of which nothing is left', [[text('-')], [text('-')], [text('a')]], [['a', 'a'], ['over']]],
    [
      'an error where the machine fails, behind what it had said',
      [[text('a'), text('!')], [text('b')]],
      [['a', 'a', 'error']],
    ],
  ])('%s', async (_name, batches, said) => {
    const source = sourceOf(...batches)
    expect(await all(piped(source, twice, isLast))).toEqual(said)
    expect(source.cancelled).toBe(1)
  })

  test('over when it is given up', async () => {
    const source = sourceOf([text('a')])
    const through = piped(source, twice, isLast)
    through.cancel()
    expect([await read(through), source.cancelled]).toEqual([undefined, 1])
  })
})

test('a source that is waited for and rejects has failed, once', async () => {
  const source = polled<Delta>(
    () => Promise.reject(new GatewayError('rate-limited', 'slow down')),
    () => {},
  )
  expect(await read(source)).toMatchObject([{ type: 'error', error: { kind: 'rate-limited' } }])
  expect(await read(source)).toBeUndefined()
})

import { describe, expect, test } from 'bun:test'
import { type BatchStream, fromAsync, readBatch } from '../../src/core/batch-stream.ts'
import { GatewayError } from '../../src/core/errors.ts'
import type { Delta, StreamEvent } from '../../src/core/events.ts'
import { type PipelineOptions, pipeline } from '../../src/core/pipeline.ts'
import type { Transform } from '../../src/core/transform.ts'

const text = (words: string): Delta => ({ type: 'text', text: words })
const finish: Delta = { type: 'finish', reason: 'stop' }
const end: StreamEvent = { type: 'message-end', reason: 'stop', usage: { inputTokens: 1, outputTokens: 1 } }

function restOf(...batches: Delta[][]): BatchStream<Delta[]> & { cancelled: number } {
  const source = {
    cancelled: 0,
    next: (onBatch: (batch: Delta[] | undefined) => void) => onBatch(batches.shift()),
    cancel: () => void source.cancelled++,
  }
  return source
}

/** Doubles every text, drops `-`, and throws at `!`. */
const twice: Transform<Delta, StreamEvent> = {
  push(delta, out) {
    if (delta.type === 'text' && delta.text === '!') throw new TypeError('no words for this')
    if (delta.type === 'finish') out.push(end)
    else if (delta.type === 'text' && delta.text !== '-')
      for (let time = 0; time < 2; time++) out.push({ type: 'text-delta', index: 0, text: delta.text })
  },
  end: (out) => void out.push({ type: 'error', error: new GatewayError('upstream-truncated', 'cut') }),
}

/** Writes the text of an event, or its type. */
const plain: PipelineOptions['encoder'] = {
  push: (event, out) => void out.push(event.type === 'text-delta' ? event.text : `<${event.type}>`),
  end: (out) => void out.push('.'),
}

function pipelineOf(
  first: Delta[],
  rest: BatchStream<Delta[]>,
  options: Partial<PipelineOptions> = {},
  transform = twice,
) {
  const broken: GatewayError[] = []
  const pipe = pipeline({
    encoder: plain,
    onEvent: (event) => event,
    writeDirectly: () => 'catch up',
    onBroken: (error) => void broken.push(error),
    ...options,
  })
  pipe.begin({ first, rest, transform })
  return { pipe, broken }
}

/** All texts of the pipeline, one per `next`. */
function all({ pipe }: ReturnType<typeof pipelineOf>): string[] {
  const texts: string[] = []
  let isOver = false
  for (let reads = 0; reads < 10 && !isOver; reads++)
    pipe.next((output, isLast) => {
      texts.push(output)
      isOver = isLast
    })
  return texts
}

describe('a reply through its pipeline is', () => {
  test.each<[string, Delta[], Delta[][], string[]]>([
    [
      'one text per batch, from the first deltas to the last event',
      [text('a')],
      [[text('b'), finish], [text('c')]],
      ['aa', 'bb<message-end>.'],
    ],
    ['the output of the transform at the end of a stream without a final event', [text('a')], [], ['aa', '<error>.']],
    ['no text for batches that become empty', [], [[text('-')], [text('-')], [text('a')]], ['aa', '<error>.']],
    [
      'an error where the transform fails, after its earlier output',
      [text('a'), text('!')],
      [[text('b')]],
      ['aa<error>.'],
    ],
  ])('%s', (_name, first, batches, said) => {
    const rest = restOf(...batches)
    expect(all(pipelineOf(first, rest))).toEqual(said)
    expect(rest.cancelled).toBe(1)
  })

  test('over once it is cancelled', () => {
    const rest = restOf([text('b')])
    const { pipe } = pipelineOf([text('a')], rest)
    pipe.cancel()
    pipe.next(() => {
      throw new Error('nobody listens')
    })
    expect(rest.cancelled).toBe(1)
  })

  test('an error after `fail`', () => {
    const rest = restOf([text('b')])
    const { pipe } = pipelineOf([text('a')], rest)
    expect(pipe.fail(new GatewayError('overloaded', 'shut down'))).toBe('<error>.')
    expect(rest.cancelled).toBe(1)
  })

  test('an error if the encoder fails', () => {
    const encoder: PipelineOptions['encoder'] = {
      push(event, out) {
        if (event.type !== 'error') throw new TypeError('no words for this')
        out.push(`<${event.error.kind}>`)
      },
      end() {},
    }
    const rest = restOf()
    expect(all(pipelineOf([text('a')], rest, { encoder }))).toEqual(['<internal>'])
    expect(rest.cancelled).toBe(1)
  })

  test('without an end if the encoder fails at the error event too', () => {
    const encoder: PipelineOptions['encoder'] = {
      push() {
        throw new TypeError('no words for this')
      },
      end() {},
    }
    const rest = restOf()
    const { pipe, broken } = pipelineOf([text('a')], rest, { encoder })
    pipe.next(() => {
      throw new Error('there is nothing to say')
    })
    expect([broken.map(({ kind }) => kind), rest.cancelled]).toEqual([['internal'], 1])
  })
})

test('a transform with a pending answer holds the reply back until it settles', async () => {
  const answer = Promise.withResolvers<void>()
  let pending: Promise<void> | undefined
  const held: StreamEvent[] = []
  const asking: Transform<Delta, StreamEvent> = {
    push(delta) {
      if (delta.type === 'text') held.push({ type: 'text-delta', index: 0, text: delta.text })
      if (delta.type === 'finish') held.push(end)
      pending ??= answer.promise.then(() => {
        pending = undefined
      })
    },
    end() {},
    pending: () => pending,
    resume: (out) => void out.push(...held.splice(0)),
  }
  const { pipe } = pipelineOf([text('a'), finish], restOf(), {}, asking)
  const said = new Promise<string>((resolve) => pipe.next(resolve))
  expect(Bun.peek.status(said)).toBe('pending')
  answer.resolve()
  expect(await said).toBe('a<message-end>.')
})

test('a rejected promise of an async stream becomes one error', async () => {
  const source = fromAsync<Delta>(
    () => Promise.reject(new GatewayError('rate-limited', 'slow down')),
    () => {},
  )
  expect(await readBatch(source)).toMatchObject([{ type: 'error', error: { kind: 'rate-limited' } }])
  expect(await readBatch(source)).toBeUndefined()
})

describe('the end of a long block', () => {
  const long = 'x'.repeat(300_000)
  /** One batch of three blocks, of which the first two are long. */
  const blocks: Transform<Delta, StreamEvent> = {
    push(delta, out) {
      if (delta.type !== 'finish') return
      out.push({ type: 'text-end', index: 0, text: long })
      out.push({ type: 'tool-call-end', index: 1, id: 'a', name: 'it', arguments: long })
      out.push({ type: 'text-end', index: 2, text: 'short' }, end)
    },
    end() {},
  }

  test('is encoded in a turn of its own', () => {
    const turns: (() => void)[] = []
    const rest = restOf()
    const inLaterTurn = (run: () => void) => void turns.push(run)
    const { pipe } = pipelineOf([finish], rest, { inLaterTurn }, blocks)
    const texts: [string, boolean][] = []
    for (let reads = 0; reads < 3; reads++) {
      pipe.next((output, isLast) => texts.push([output, isLast]))
      turns.shift()?.()
    }
    expect(texts).toEqual([
      ['<text-end>', false],
      ['<tool-call-end>', false],
      ['<text-end><message-end>.', true],
    ])
    expect([turns.length, rest.cancelled]).toEqual([0, 1])
  })

  test('is not encoded if the client has left meanwhile', () => {
    const turns: (() => void)[] = []
    const { pipe } = pipelineOf([finish], restOf(), { inLaterTurn: (run) => void turns.push(run) }, blocks)
    const texts: string[] = []
    pipe.next((output) => texts.push(output))
    turns.shift()?.()
    pipe.next((output) => texts.push(output))
    pipe.cancel()
    turns.shift()?.()
    expect(texts).toEqual(['<text-end>'])
  })

  test('is encoded at once where nobody waits for its turn', () => {
    expect(all(pipelineOf([finish], restOf(), {}, blocks))).toEqual([
      '<text-end><tool-call-end><text-end><message-end>.',
    ])
  })
})

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

/** Says every text twice, nothing for `-`, and fails at `!`. */
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

function piped(first: Delta[], rest: BatchStream<Delta[]>, options: Partial<PipelineOptions> = {}, transform = twice) {
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

/** What it has to say, one piece a question. */
function all({ pipe }: ReturnType<typeof piped>): string[] {
  const texts: string[] = []
  let isOver = false
  for (let asked = 0; asked < 10 && !isOver; asked++)
    pipe.next((said, isLast) => {
      texts.push(said)
      isOver = isLast
    })
  return texts
}

describe('a reply through its pipeline is', () => {
  test.each<[string, Delta[], Delta[][], string[]]>([
    [
      'text for a batch, from what was read first to the last event',
      [text('a')],
      [[text('b'), finish], [text('c')]],
      ['aa', 'bb<message-end>.'],
    ],
    ['what the transform says at the end, where nothing is the last', [text('a')], [], ['aa', '<error>.']],
    ['no text for batches of which nothing is left', [], [[text('-')], [text('-')], [text('a')]], ['aa', '<error>.']],
    [
      'an error where the transform fails, behind what it had said',
      [text('a'), text('!')],
      [[text('b')]],
      ['aa<error>.'],
    ],
  ])('%s', (_name, first, batches, said) => {
    const rest = restOf(...batches)
    expect(all(piped(first, rest))).toEqual(said)
    expect(rest.cancelled).toBe(1)
  })

  test('over when it is given up', () => {
    const rest = restOf([text('b')])
    const { pipe } = piped([text('a')], rest)
    pipe.cancel()
    pipe.next(() => {
      throw new Error('nobody listens')
    })
    expect(rest.cancelled).toBe(1)
  })

  test('an error when it has to end', () => {
    const rest = restOf([text('b')])
    const { pipe } = piped([text('a')], rest)
    expect(pipe.fail(new GatewayError('overloaded', 'shut down'))).toBe('<error>.')
    expect(rest.cancelled).toBe(1)
  })

  test('an error where the encoder fails', () => {
    const encoder: PipelineOptions['encoder'] = {
      push(event, out) {
        if (event.type !== 'error') throw new TypeError('no words for this')
        out.push(`<${event.error.kind}>`)
      },
      end() {},
    }
    const rest = restOf()
    expect(all(piped([text('a')], rest, { encoder }))).toEqual(['<internal>'])
    expect(rest.cancelled).toBe(1)
  })

  test('without an end where the encoder has no words for the error either', () => {
    const encoder: PipelineOptions['encoder'] = {
      push() {
        throw new TypeError('no words for this')
      },
      end() {},
    }
    const rest = restOf()
    const { pipe, broken } = piped([text('a')], rest, { encoder })
    pipe.next(() => {
      throw new Error('there is nothing to say')
    })
    expect([broken.map(({ kind }) => kind), rest.cancelled]).toEqual([['internal'], 1])
  })
})

test('a transform that asks somebody holds up the reply until it has an answer', async () => {
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
  const { pipe } = piped([text('a'), finish], restOf(), {}, asking)
  const said = new Promise<string>((resolve) => pipe.next(resolve))
  expect(Bun.peek.status(said)).toBe('pending')
  answer.resolve()
  expect(await said).toBe('a<message-end>.')
})

test('a source that is waited for and rejects has failed, once', async () => {
  const source = fromAsync<Delta>(
    () => Promise.reject(new GatewayError('rate-limited', 'slow down')),
    () => {},
  )
  expect(await readBatch(source)).toMatchObject([{ type: 'error', error: { kind: 'rate-limited' } }])
  expect(await readBatch(source)).toBeUndefined()
})

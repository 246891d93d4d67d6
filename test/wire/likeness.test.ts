import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { Delta } from '../../src/core/events.ts'
import { read as nextBatch } from '../../src/core/source.ts'
import { decoder } from '../../src/upstreams/zai-api/decode.ts'
import type { Pieces } from '../../src/wire/http.ts'
import { apart, likenessOf, readAlike, unescaped } from '../../src/wire/likeness.ts'
import { pieceOf } from '../../src/wire/piece.ts'
import { sseDeltas } from '../../src/wire/sse.ts'
import { manualClock } from '../support/clock.ts'

/** The `t` of a payload that has nothing else but an `n`. */
function textIn(payload: string): string | undefined {
  try {
    const { t, n, ...rest } = JSON.parse(payload)
    return typeof t === 'string' && n === 1 && Object.keys(rest).length === 0 ? t : undefined
  } catch {
    return undefined
  }
}

const hear = (text: string, out: Delta[]) => void out.push({ type: 'text', text })
const likeness = (payload: string) => likenessOf(payload, { read: textIn, hear, kind: () => 'text' })

describe('what is alike is known from', () => {
  test.each<[string, string, boolean]>([
    ['one string', '{"n":1,"t":"a word"}', true],
    ['one with signs that are escaped', '{"t":"a \\"word\\"\\n","n":1}', true],
    ['not one that is no text', '{"n":2,"t":"a word"}', false],
    ['not one that stands there twice', '{"n":1,"t":"t"}', false],
    ['not one that is escaped as nobody needs to', '{"n":1,"t":"\\u0061 word"}', false],
    ['not one with anything beside', '{"n":1,"t":"a word","x":"a"}', false],
  ])('%s', (_name, payload, known) => {
    expect(likeness(payload) !== undefined).toBe(known)
  })
})

describe('of bytes, what is read without a parser is', () => {
  const alike = likeness('{"n":1,"t":"first"}')
  const event = (payload: string) => `data: ${payload}\n\n`
  const one = event('{"n":1,"t":"grüß — \\"dich\\""}')

  test.each<[string, string, string[], string]>([
    ['one event', one, ['grüß — "dich"'], ''],
    ['all of them', one + one, ['grüß — "dich"', 'grüß — "dich"'], ''],
    ['no empty text', event('{"n":1,"t":""}'), [], ''],
    ['up to half an event', one + one.slice(0, -1), ['grüß — "dich"'], one.slice(0, -1)],
    [
      'up to one of another kind',
      one + event('{"n":2,"t":"x"}') + one,
      ['grüß — "dich"'],
      event('{"n":2,"t":"x"}') + one,
    ],
    ['not one whose string ends early', event('{"n":1,"t":"x","t":"y"}'), [], event('{"n":1,"t":"x","t":"y"}')],
    ['not one with a broken escape', event('{"n":1,"t":"\\x"}'), [], event('{"n":1,"t":"\\x"}')],
    ['not one whose end is escaped', event('{"n":1,"t":"x\\"}'), [], event('{"n":1,"t":"x\\"}')],
  ])('%s', (_name, text, texts, rest) => {
    const bytes = Buffer.from(text)
    if (!alike) throw new Error('nothing is alike')
    const read = readAlike(pieceOf(bytes), alike)
    expect(apart(read).map(unescaped)).toEqual(texts)
    expect(bytes.toString('utf8', read.end)).toBe(rest)
  })
})

/** Pieces of the given size. */
function cut(bytes: Buffer, size: number): Pieces {
  let at = 0
  return {
    next(hear) {
      const piece = bytes.subarray(at, at + size)
      at += size
      hear(piece.length > 0 ? pieceOf(piece) : undefined)
    },
    cancel() {},
  }
}

async function deltasOf(bytes: Buffer, size: number): Promise<string[]> {
  const reader = decoder({ tools: [], fragments: false, vision: false, now: () => 0, note() {} })
  const options = { decoder: reader, clock: manualClock(), signal: new AbortController().signal, idleMs: 1_000 }
  const source = sseDeltas(cut(bytes, size), options)
  const said: string[] = []
  for (let batch = await nextBatch(source); batch; batch = await nextBatch(source))
    for (const delta of batch) said.push(JSON.stringify(delta))
  return said
}

test('a reply says the same whether its events come alone or together, cut or whole', async () => {
  const chunk = (field: string, text: string, created: number) =>
    `data: ${JSON.stringify({ id: 'x', created, choices: [{ index: 0, delta: { role: 'assistant', [field]: text } }] })}\n\n`
  const words = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('"}}]}', '\\', '"', 'content', '\n\n', 'data: ', 'é—🙂'),
  )
  const events = fc.array(fc.tuple(fc.constantFrom('content', 'reasoning_content'), words, fc.constantFrom(1, 1, 1, 2)))
  await fc.assert(
    fc.asyncProperty(events, fc.integer({ min: 1, max: 400 }), async (all, size) => {
      const bytes = Buffer.from(`${all.map((event) => chunk(...event)).join('')}data: [DONE]\n\n`)
      const whole = all
        .filter(([, text]) => text !== '')
        .map(([field, text]) =>
          JSON.stringify({ type: field === 'content' ? 'text' : 'reasoning', text: text.toWellFormed() }),
        )
      for (const pieces of [bytes.length, size])
        expect((await deltasOf(bytes, pieces)).slice(0, whole.length)).toEqual(whole)
    }),
    { numRuns: 300 },
  )
})

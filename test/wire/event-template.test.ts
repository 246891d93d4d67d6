import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { readBatch as nextBatch } from '../../src/core/batch-stream.ts'
import type { Delta } from '../../src/core/events.ts'
import { rangeOf } from '../../src/http-client/byte-range.ts'
import type { ByteStream } from '../../src/http-client/send.ts'
import { decoder } from '../../src/upstreams/chat-completions/decode.ts'
import { usualSettings, zaiErrors } from '../../src/upstreams/zai-api/errors.ts'
import { sseDeltas } from '../../src/wire/event-stream.ts'
import {
  concatenateMatches,
  eventTemplateOf,
  matchedTexts,
  matchTemplate,
  unescaped,
} from '../../src/wire/event-template.ts'
import { manualClock } from '../support/clock.ts'
import { runs } from '../support/effort.ts'

/** The string `t` of a payload that has no other members except `n`. */
function textIn(payload: string): string | undefined {
  try {
    const { t, n, ...rest } = JSON.parse(payload)
    return typeof t === 'string' && n === 1 && Object.keys(rest).length === 0 ? t : undefined
  } catch {
    return undefined
  }
}

const emit = (text: string, out: Delta[]) => void out.push({ type: 'text', text })
const template = (payload: string) => eventTemplateOf(payload, { read: textIn, emit, kind: () => 'text' })

describe('a template is learned from', () => {
  test.each<[string, string, boolean]>([
    ['one string', '{"n":1,"t":"a word"}', true],
    ['one with signs that are escaped', '{"t":"a \\"word\\"\\n","n":1}', true],
    ['not one that is no text', '{"n":2,"t":"a word"}', false],
    ['not one that stands there twice', '{"n":1,"t":"t"}', false],
    ['not one that is escaped as nobody needs to', '{"n":1,"t":"\\u0061 word"}', false],
    ['not one with anything beside', '{"n":1,"t":"a word","x":"a"}', false],
  ])('%s', (_name, payload, known) => {
    expect(template(payload) !== undefined).toBe(known)
  })
})

describe('matchTemplate reads', () => {
  const alike = template('{"n":1,"t":"first"}')
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
    const read = matchTemplate(rangeOf(bytes), alike)
    expect(matchedTexts(read).map(unescaped)).toEqual(texts)
    expect(bytes.toString('utf8', read.end)).toBe(rest)
  })
})

describe('concatenateMatches reads', () => {
  const alike = template('{"n":1,"t":"first"}')
  const event = (text: string) => `data: {"n":1,"t":"${text}"}\n\n`
  const done = 'data: [DONE]\n\n'

  test.each<[string, string | Buffer, string, string]>([
    ['one event', event('grüß — \\"dich\\"'), 'grüß — "dich"', ''],
    ['all of them', event('a ') + event('') + event('—') + event('\\n') + done, 'a —\n', done],
    ['every short escape', event('\\b\\f\\n\\r\\t\\"\\\\\\/'), '\b\f\n\r\t"\\/', ''],
    ['nothing of another kind', done, '', done],
    ['up to half an event', event('a') + event('b').slice(0, -1), 'a', event('b').slice(0, -1)],
    ['up to half a string', event('a') + event('b').slice(0, -6), 'a', event('b').slice(0, -6)],
    ['up to an escape by number', event('a') + event('b\\u0041') + event('c'), 'a', event('b\\u0041') + event('c')],
    ['up to a broken escape', event('a') + event('\\x'), 'a', event('\\x')],
    ['up to a control character', event('a') + event('\t'), 'a', event('\t')],
    ['up to a string that ends early', event('a') + event('b","t":"c'), 'a', event('b","t":"c')],
    ['up to a string whose end is escaped', event('a') + event('b\\'), 'a', event('b\\')],
    ['what is no character', Buffer.from(event('a\xff') + event('\xe2\x80') + done, 'latin1'), 'a\ufffd\ufffd', done],
    ['no character of two strings', Buffer.from(event('\xc3') + event('\xa4'), 'latin1'), '\ufffd', event('\ufffd')],
    ['up to a string that begins inside one', Buffer.from(event('a') + event('\xa4'), 'latin1'), 'a', event('\ufffd')],
  ])('%s', (_name, events, text, rest) => {
    const bytes = Buffer.from(events)
    if (!alike) throw new Error('nothing is alike')
    const read = concatenateMatches(rangeOf(bytes), alike)
    expect(read.text).toBe(text)
    expect(bytes.toString('utf8', read.end)).toBe(rest)
  })

  test('as much as the buffer holds, and the rest afterwards', () => {
    const words = 'word '.repeat(5_000)
    const bytes = Buffer.from(event(words).repeat(4))
    if (!alike) throw new Error('nothing is alike')
    const texts: string[] = []
    for (let start = 0; start < bytes.length; ) {
      const read = concatenateMatches({ bytes, start, end: bytes.length }, alike)
      if (read.end === start) throw new Error('nothing was read')
      texts.push(read.text)
      start = read.end
    }
    expect(texts).toEqual([words.repeat(2), words.repeat(2)])
  })
})

/** The bytes in pieces of the given size. */
function cut(bytes: Buffer, size: number): ByteStream {
  let at = 0
  return {
    next(hear) {
      const piece = bytes.subarray(at, at + size)
      at += size
      hear(piece.length > 0 ? rangeOf(piece) : undefined)
    },
    cancel() {},
  }
}

async function deltasOf(bytes: Buffer, size: number, whole = false): Promise<Delta[]> {
  const reader = decoder({ tools: [], errors: zaiErrors(usualSettings), now: () => 0, annotate() {} })
  const { signal } = new AbortController()
  const options = { label: 'Z.AI', decoder: reader, clock: manualClock(), signal, idleMs: 1_000, whole }
  const source = sseDeltas(cut(bytes, size), options)
  const said: Delta[] = []
  for (let batch = await nextBatch(source); batch; batch = await nextBatch(source)) said.push(...batch)
  return said
}

/** Joins consecutive deltas of one kind. */
function together(deltas: readonly Delta[]): Delta[] {
  const all: Delta[] = []
  for (const delta of deltas) {
    const last = all.at(-1)
    const isMore = last?.type === delta.type && 'text' in last && 'text' in delta
    if (isMore) all.splice(-1, 1, { type: last.type, text: last.text + delta.text })
    else all.push(delta)
  }
  return all
}

test('a reply is the same whether its events come alone or together, cut or whole', async () => {
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
        .map(([field, text]): Delta => {
          return { type: field === 'content' ? 'text' : 'reasoning', text: text.toWellFormed() }
        })
      for (const pieces of [bytes.length, size]) {
        expect((await deltasOf(bytes, pieces)).slice(0, whole.length)).toEqual(whole)
        const inOne = together(whole)
        expect(together(await deltasOf(bytes, pieces, true)).slice(0, inOne.length)).toEqual(inOne)
      }
    }),
    { numRuns: runs(300) },
  )
})

test('invalid UTF-8 gives the same text in a whole reply', async () => {
  const chunk = (text: string) => `data: {"id":"x","choices":[{"index":0,"delta":{"content":"${text}"}}]}\n\n`
  const texts = fc.constantFrom(
    'word',
    '\xc3',
    '\xa4',
    '\xe2\x80',
    '\x94 ',
    '\xff',
    '\xf0\x9f\x99\x82',
    '\\n',
    '\\ud83d',
    '\\x',
  )
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(texts, texts), { minLength: 6 }), async (all) => {
      const bytes = Buffer.from(`${all.map((pair) => chunk(pair.join(''))).join('')}data: [DONE]\n\n`, 'latin1')
      expect(together(await deltasOf(bytes, bytes.length, true))).toEqual(together(await deltasOf(bytes, bytes.length)))
    }),
    { numRuns: runs(300) },
  )
})

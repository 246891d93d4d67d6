import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { ChannelText } from '../../src/prompted-tools/channel-pieces.ts'
import { type TagReaderOptions, tagReader } from '../../src/prompted-tools/think-tags.ts'
import { runs } from '../support/effort.ts'

interface Sorted {
  text: string
  reasoning: string
}

function sorted(pieces: readonly string[], options: Partial<TagReaderOptions> = {}): Sorted {
  const reader = tagReader({ channel: 'text', frames: false, ...options })
  const out: Sorted = { text: '', reasoning: '' }
  for (const { type, text } of [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()]) out[type] += text
  return out
}

function cut(text: string, size: number): string[] {
  return text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []
}

function expectSorted(words: string, expected: Sorted, options?: Partial<TagReaderOptions>): void {
  for (const size of [1, 2, 3, 5, 8, 1000]) expect(sorted(cut(words, size), options)).toEqual(expected)
}

describe('in the answer', () => {
  test.each<[string, string, string, string]>([
    ['tags at the beginning hold reasoning', '<think>Hm</think>A cat', 'A cat', 'Hm'],
    ['white space around them is nobody’s', '\n <think>Hm</think>\n\nA cat', 'A cat', 'Hm'],
    ['empty tags are nothing', '<think></think>\n\nA cat', 'A cat', ''],
    ['two in a row are both reasoning', '<think>a</think>\n<think>b</think>c', 'c', 'ab'],
    ['an open tag at the beginning holds reasoning', '<think>Hm, a cat', '', 'Hm, a cat'],
    ['a tag left over is dropped in front', '\n</think>\n\nHello', 'Hello', ''],
    ['a tag left over is dropped in the middle', 'Well.</think>Hello', 'Well.Hello', ''],
    ['a tag left over is dropped in a line of its own', 'Well.\n</think>\nHello', 'Well.\n\nHello', ''],
    ['a tag left over is dropped at the end', 'Hello</think>', 'Hello', ''],
    ['a tag left over is dropped behind spaces', 'Well </think> Hello', 'Well  Hello', ''],
    ['a tag left over is dropped behind a quotation', 'He said "no"</think>Hello', 'He said "no"Hello', ''],
    ['a tag left over is dropped at the end, behind a quotation', 'He said "no"</think>', 'He said "no"', ''],
    ['a tag left over is dropped at the end, behind a space', 'Hello </think> ', 'Hello  ', ''],
    ['many left over are dropped', '</think></think>a</think>b', 'ab', ''],
    ['tags in the middle hold reasoning', 'One.\n<think>Hm\nhm</think>\nTwo.', 'One.\n\nTwo.', 'Hm\nhm'],
    ['tags inside a line hold reasoning', 'One<think>hm</think>two', 'Onetwo', 'hm'],
    ['an open tag in the middle is text', 'One.\n<think>Two.', 'One.\nTwo.', ''],
    ['a tag at the end is dropped', 'One.<think>', 'One.', ''],
    ['half a tag is text', 'One </thin', 'One </thin', ''],
    ['half a tag at the beginning is text', '<thin', '<thin', ''],
    ['other tags are text', '<thinking>a</thinking> <b>', '<thinking>a</thinking> <b>', ''],
    ['a sign is text', 'a < b <', 'a < b <', ''],
    ['nothing is nothing', '', '', ''],
  ])('%s', (_name, words, text, reasoning) => expectSorted(words, { text, reasoning }))

  test.each<[string, string]>([
    ['in backticks', 'Write `<think>` and `</think>`.'],
    ['in two backticks', 'Write ``</think> ` ``.'],
    ['in a fence', 'So:\n```xml\n<think>\nhm\n</think>\n```\nDone.'],
    ['in a fence of tildes', '~~~\n</think>\n~~~'],
    ['in a fence that is the whole answer', '```\n<think>a</think>\n```'],
    ['in a longer fence', '````\n```\n</think>\n```\n</think>\n````'],
    ['in an indented fence', '- a\n   ```\n   </think>\n   ```'],
    ['in a fence that nobody closes', '```\n</think>'],
    ['in quotes', 'It ends in "</think>", so to say.'],
    ['in other quotes', 'Das Ende heißt “</think>”.'],
    ['in brackets', 'The end (</think>) comes.'],
    ['in a sentence', 'The <think> tag marks it.'],
    ['in a sentence with both', 'It writes <think> first and </think> last.'],
    ['in the middle of a sentence', 'GLM writes </think> where thoughts end.'],
    ['at the end of a sentence', 'Thoughts end in </think>.'],
    ['in a list', 'Tags: <think>, </think>.'],
    ['in JSON', '{"html":"a</think>b<think>c"}'],
    ['in a list of JSON', '["</think>"]'],
    ['in a call', '<tool_call>{"name":"w","arguments":{"a":"</think>"}}</tool_call>'],
    [
      'in a call behind words',
      'So: <tool_call>w\n<arg_key>a</arg_key>\n<arg_value><think>x</think></arg_value></tool_call>',
    ],
  ])('what is told about tags stays, %s', (_name, words) => expectSorted(words, { text: words, reasoning: '' }))

  test.each<[string, string, string]>([
    ['a fence', '```\na\n```\nb</think>c', '```\na\n```\nbc'],
    ['code in a line', '`a`</think>c', '`a`c'],
    ['a backtick in another paragraph', 'a ` b\n\nc</think>d', 'a ` b\n\ncd'],
    ['a call', '<tool_call>{}</tool_call></think>', '<tool_call>{}</tool_call>'],
    ['a tag in front', '</think>{"a":"</think>"}', '{"a":"</think>"}'],
  ])('a tag left over is dropped behind %s', (_name, words, text) => expectSorted(words, { text, reasoning: '' }))
})

describe('the frame of vision models', () => {
  test.each<[string, string, string]>([
    ['is dropped', 'It is <|begin_of_box|>42<|end_of_box|>.', 'It is 42.'],
    ['is dropped around all of it', '<|begin_of_box|>42<|end_of_box|>', '42'],
    ['is text in half', 'a <|begin_of', 'a <|begin_of'],
    ['stays in code', '`<|end_of_box|>`', '`<|end_of_box|>`'],
  ])('%s', (_name, words, text) => expectSorted(words, { text, reasoning: '' }, { frames: true }))

  test('is text of other models', () => {
    expectSorted('a<|end_of_box|>', { text: 'a<|end_of_box|>', reasoning: '' })
  })
})

describe('in the reasoning', () => {
  const options = { channel: 'reasoning' } as const
  test.each<[string, string, string]>([
    ['tags around it are dropped', '<think>\nHm\n</think>', 'Hm\n'],
    ['a tag left over is dropped', 'Hm.</think>So.', 'Hm.So.'],
    ['a tag in the middle is dropped', 'Hm.\n<think>So.', 'Hm.\nSo.'],
    ['what is told about tags stays', 'The `</think>` tag.', 'The `</think>` tag.'],
    ['calls stay', '<tool_call>a</think></tool_call>', '<tool_call>a</think></tool_call>'],
  ])('%s', (_name, words, reasoning) => expectSorted(words, { text: '', reasoning }, options))
})

test('reasoning in the middle waits for its end, and no longer than it has to', () => {
  const reader = tagReader({ channel: 'text', frames: false })
  expect(reader.push('One.\n<think>Hm')).toEqual([{ type: 'text', text: 'One.\n' }])
  expect(reader.push('x'.repeat(99_998))).toEqual([])
  expect(reader.push('y')).toEqual([{ type: 'text', text: `Hm${'x'.repeat(99_998)}y` }])
  expect(reader.push(' on')).toEqual([{ type: 'text', text: ' on' }])
})

test('the output does not depend on the cuts', () => {
  const part = fc.constantFrom(
    '<think>',
    '</think>',
    '<',
    '</',
    'think>',
    '`',
    '```',
    '\n',
    '\n\n',
    ' ',
    '"',
    '(',
    'a',
    'so.',
    '{',
    '~~~',
    '<tool_call>',
    '</tool_call>',
    '<|end_of_box|>',
    '.',
  )
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 14 }),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom<TagReaderOptions['channel']>('text', 'reasoning'),
      (parts, size, channel) => {
        const words = parts.join('')
        expect(sorted(cut(words, size), { channel, frames: true })).toEqual(sorted([words], { channel, frames: true }))
      },
    ),
    { numRuns: runs(2_000) },
  )
})

describe('the end of reasoning that began elsewhere', () => {
  const piecesOf = (words: string): unknown[] => {
    const reader = tagReader({ channel: 'text', frames: false })
    return [...reader.push(words), ...reader.end()]
  }
  const mark: ChannelText = { type: 'text', text: '', afterReasoning: true }
  test.each<[string, string, unknown[]]>([
    [
      'marks what follows',
      'Hm.</think>Hi',
      [
        { type: 'text', text: 'Hm.' },
        { ...mark, text: 'Hi' },
      ],
    ],
    ['is told where nothing follows', 'Hm.</think>', [{ type: 'text', text: 'Hm.' }, mark]],
    ['is told behind a space', 'Hm. </think>', [{ type: 'text', text: 'Hm. ' }, mark]],
    ['is not where words tell about it', 'In `</think>`.', [{ type: 'text', text: 'In `</think>`.' }]],
  ])('%s', (_name, words, pieces) => expect(piecesOf(words)).toEqual(pieces))

  test('is told in front of what comes in another channel, and once', () => {
    const reader = tagReader({ channel: 'text', frames: false })
    expect(reader.push('Hm.</think>')).toEqual([{ type: 'text', text: 'Hm.' }])
    expect(reader.open).toBe(false)
    expect(reader.onPause()).toEqual([mark])
    expect(reader.end()).toEqual([])
  })
})

test('white space without end is not held back: what stops endless replies has to see it', () => {
  const reader = tagReader({ channel: 'text', frames: false })
  const pieces = Array.from({ length: 1_200 }, () => reader.push('\n\n'))
  expect(pieces.flat().map(({ text }) => text.length)).toEqual([2_002, ...Array.from({ length: 199 }, () => 2)])
})

test('what stands behind a long stretch of white space is no reasoning, however it is cut', () => {
  const words = `${' '.repeat(2_001)}A cat`
  for (const size of [1, 7, 3_000]) expect(sorted(cut(words, size))).toEqual({ text: words, reasoning: '' })
})

import { describe, expect, test } from 'bun:test'
import { createTextCounter } from '../../src/tokens/text-counter.ts'
import { loadVocabulary } from '../../src/tokens/vocabulary.ts'
import { accuracyTable, measureAccuracy } from '../support/accuracy.ts'
import { cpuTimeMs } from '../support/cpu-time.ts'
import { sampleTexts } from '../support/texts.ts'

const vocabulary = await loadVocabulary()
const texts = await sampleTexts()
const rows = measureAccuracy(texts, vocabulary)

/** A vocabulary that records its input. */
function observed() {
  const pieces: string[] = []
  const count = createTextCounter((piece) => {
    pieces.push(piece)
    return vocabulary(piece)
  })
  return { count, pieces, characters: () => pieces.join('').length }
}

describe('short texts are counted exactly', () => {
  test.each([
    ['words', 'hello world', 2],
    ['nothing', '', 0],
    ['Chinese', '人工智能', 2],
    ['another vendor’s marks, as plain text', '<|endoftext|>', 7],
    ['half an emoji', '\ud83d', 1],
  ])('%s', (_name, text, tokens) => expect(createTextCounter(vocabulary)([text])).toBe(tokens))

  test('splitting between words adds no tokens', () => {
    const text = texts['English prose'].slice(0, 15_000).replaceAll('\n\n', ' ')
    expect(createTextCounter(vocabulary)([text])).toBe(vocabulary(text))
  })

  test('the same text twice counts twice', () => {
    const count = createTextCounter(vocabulary)
    expect([count(['hello world', 'hello world']), count(['hello world', 'hello world'])]).toEqual([4, 4])
  })
})

describe('long texts are sampled', () => {
  test.each(rows)('$kind: within 10 %', ({ offPercent }) => expect(Math.abs(offPercent)).toBeLessThan(10))

  test('the rows are of texts too long to count', () => {
    for (const { characters } of rows) expect(characters).toBeGreaterThan(150_000)
  })

  test('the table says so, the same way every time', () => {
    const again = measureAccuracy({ Chinese: texts.Chinese }, vocabulary).slice(0, 1)
    expect(rows).toEqual(expect.arrayContaining(again))
    expect(accuracyTable(rows)).toMatch(/^\| Chinese \| 200,0\d\d \| [\d,]+ \| [\d,]+ \| [+−]\d\.\d % \|$/m)
  })

  test('the vocabulary gets no more than the budget, whatever their length', () => {
    const { count, characters } = observed()
    const history = Array.from(
      { length: 500 },
      (_, turn) => `${turn} ${texts.TypeScript.slice(turn * 300, turn * 300 + 16_000)}`,
    )
    expect(history.join('').length).toBeGreaterThan(7_000_000)
    count(history)
    expect(characters()).toBeLessThan(20_000)
  })

  test('a long run without gaps is counted in short pieces', () => {
    const { count, pieces } = observed()
    count(['b'.repeat(15_000)])
    count(['='.repeat(100_000)])
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(600)
  })
})

describe('a count', () => {
  test('is reused when the history is sent again', () => {
    const { count, pieces } = observed()
    const history = [texts['English prose'].slice(0, 5_000), texts.JSON.slice(0, 5_000)]
    const first = count(history)
    const looked = pieces.length
    const second = count([...history, 'And now?'])
    expect(pieces.slice(looked)).toEqual(['And now?'])
    expect(second).toBe(first + vocabulary('And now?'))
  })

  test('keeps its sampled count', () => {
    const { count, pieces } = observed()
    const first = count([texts.TypeScript])
    const looked = pieces.length
    expect(count([texts.TypeScript])).toBe(first)
    expect(pieces).toHaveLength(looked)
  })

  test('is removed after 20,000 other texts, unless it was used in between', () => {
    const pieces: string[] = []
    const count = createTextCounter((piece) => pieces.push(piece))
    count(['old', 'kept'])
    for (let n = 0; n < 10_000; n++) count([`${n}`])
    count(['kept'])
    for (let n = 10_000; n < 20_000; n++) count([`${n}`])
    pieces.length = 0
    count(['kept', 'old'])
    expect(pieces).toEqual(['old'])
  })
})

test('the time for each text does not grow with the number of texts', () => {
  const count = createTextCounter(() => 1)
  const startedAt = cpuTimeMs()
  for (let text = 0; text < 200_000; text += 20_000)
    count(Array.from({ length: 20_000 }, (_, at) => `text ${text + at}`))
  expect(cpuTimeMs() - startedAt).toBeLessThan(5_000)
}, 60_000)

import { beforeAll, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { hashOn, packTable, readTable, unpackTable } from '../../src/tokens/ranks.ts'
import { loadVocabulary, type Vocabulary } from '../../src/tokens/vocabulary.ts'
import { sampleTexts } from '../support/texts.ts'

const ours = await loadVocabulary()
const pages = await sampleTexts()
const data = Bun.file(Bun.resolveSync('gpt-tokenizer/data/o200k_base.tiktoken', import.meta.dir))
const byteOrderMark = '\ufeff'

/** The encoder of the package that our data comes from. */
let theirs: Vocabulary
beforeAll(async () => {
  const { countTokens } = await import('gpt-tokenizer/encoding/o200k_base')
  const disallowedSpecial = new Set<string>()
  theirs = (piece) => countTokens(piece, { disallowedSpecial })
})

describe('counts as the package itself does', () => {
  test.each<[string, fc.Arbitrary<string>]>([
    ['English', words('the morning unbelievable letters, "Quoted" e.g. O’Neill McDonald rock-and-roll . ! ?')],
    ['contractions of either case', words("I'm WE'LL they'Ll don'T you'RE it's 's 'LL 've'd ' ’s 'sS n't")],
    [
      'code',
      words('const fooBar=>{ }\n \t\t() ;// !== ?? snake_case HTTPServer2 0xFF #[] <div/> \r\n https://a.b/c///\n'),
    ],
    ['Chinese', words('今天 我们 人工智能 模型 。 ， “ ” 读取失败时返回错误信息 龘 𠮷 3 个 API ！')],
    ['Japanese', words('こんにちは カタカナ 東京 が \u3099 ー 、 食べられなかった ｶﾞ 々')],
    ['Korean', words('안녕하세요 대한민국 \u1112 \u1161\u11ab 글 값을 . 컴퓨터')],
    ['Arabic and Hebrew', words('السلام عليكم مُحَمَّد ٣٤٥ ، ؟ ﷺ שלום עֲלֵיכֶם ־')],
    ['Indic scripts and Thai', words('नमस्ते क्षत्रिय தமிழ் ภาษาไทย น้ำ ১২৩')],
    ['emoji, joined and toned', words('🎉 👩‍💻 👨‍👩‍👧‍👦 👍🏽 🇳🇴🇳 ❤️ \u200d \ufe0f 1️⃣')],
    ['combining marks', words('é e \u0301 \u0308 n\u0303 Z\u0351\u036b\u0343o a\u0334l\u0337g \u0300\u0301\u0302 ǅ ʰ')],
    ['digits', words('0 12 345 6789 ½ ² Ⅷ ٣ 1,000.00 3.14e-10')],
    ['white space', characters(' \t\n\r\v\f\u00a0\u0085\u2028\u3000\u200ba./')],
    ['other vendors’ marks', words('<|endoftext|> <|endofprompt|> <|im_start|> <| |>')],
    ['one character many times', fc.tuple(characters('aZ=-_ \n.0中é🎉\u0301', 1), fc.nat(500)).map(repeated)],
    ['halves of surrogate pairs', characters(['\ud83d', '\ude00', '\udbff', '\udfff', '\ufffd', 'a', ' '])],
    ['any code units', fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)), maxLength: 80 })],
    ['any characters', fc.string({ unit: 'binary', maxLength: 80 })],
    ['any graphemes', fc.string({ unit: 'grapheme', maxLength: 80 })],
    ['printable ASCII', fc.string({ unit: 'grapheme-ascii', maxLength: 200 })],
    ['JSON', fc.json()],
    ['base64', fc.uint8Array({ maxLength: 400 }).map((bytes) => bytes.toBase64())],
    ['bytes read as Latin-1', fc.uint8Array({ maxLength: 300 }).map((bytes) => String.fromCharCode(...bytes))],
    ['mixtures', joined(fc.oneof(words('The cat 今天 🎉 é'), fc.json(), fc.string({ unit: 'binary' })), 6)],
  ])('%s', (_name, text) => {
    fc.assert(
      fc.property(text, (any) => {
        const piece = any.replaceAll(byteOrderMark, '')
        expect(ours(piece)).toBe(theirs(piece))
      }),
    )
  })

  test.each(Object.entries(pages))('pages of %s', (_name, text) => {
    for (let at = 0; at < 40_000; at += 2_000) {
      const page = text.slice(at, at + 2_000)
      expect(ours(page)).toBe(theirs(page))
    }
  })
})

describe('a byte order mark, which the package’s encoder loses, counts as the data has it', () => {
  test.each([
    ['\ufeff', 1],
    ['\ufeff\ufeff', 1],
    ['\ufeffusing', 1],
    ['a\ufeffb', 3],
  ])('%j', (text, tokens) => expect(ours(text)).toBe(tokens))
})

describe('every token of the vocabulary', () => {
  test('stands in the line of its rank', async () => {
    const rows = await lines()
    expect(rows.filter(([, rank], line) => rank !== `${line}`)).toEqual([])
  })

  test('is one token if it is text that the word pattern does not split', async () => {
    const seen = { whole: 0, cut: 0, noText: 0 }
    for (const [base64 = ''] of await lines()) {
      const token = textOf(Uint8Array.fromBase64(base64))
      if (token === undefined) {
        seen.noText++
        continue
      }
      const count = ours(token)
      if (count > 1 && !token.includes(byteOrderMark)) expect(`${token}: ${count}`).toBe(`${token}: ${theirs(token)}`)
      seen[count === 1 ? 'whole' : 'cut']++
    }
    expect(seen).toEqual({ whole: 198_422, cut: 14, noText: 1_562 })
  })
})

// With the square of their length they would take longer than a test may.
test.each([
  ['letters', 'b'.repeat(200_000), 50_000],
  ['Chinese characters', '中文字'.repeat(40_000), 40_000],
])('a word of very many %s is counted', (_name, word, tokens) => expect(ours(word)).toBe(tokens))

test.each([
  ['gkbyypu', 'beelden'],
  ['weqnjes', 'patient'],
])('%s is distinguished from %s, which has the same hash', (word, token) => {
  expect(hashed(word)).toBe(hashed(token))
  expect([ours(token), ours(word)]).toEqual([1, theirs(word)])
})

test('other work can run while the vocabulary is read', async () => {
  const bytes = await data.bytes()
  let turns = 0
  let reading = true
  const turn = () => {
    turns++
    if (reading) setImmediate(turn)
  }
  setImmediate(turn)
  await readTable(bytes)
  reading = false
  expect(turns).toBeGreaterThan(50)
})

test.each([0, 1])('a table is the same after it was packed, from byte %i of the memory on', async (offset) => {
  const { bytes, starts, ...table } = await readTable(await data.bytes())
  const packed = packTable({ bytes, starts, ...table })
  const memory = new Uint8Array(packed.length + offset)
  memory.set(packed, offset)
  const used = { bytes: bytes.slice(0, starts[table.count]), starts: starts.slice(0, table.count + 1) }
  expect(Bun.deepEquals(unpackTable(memory.subarray(offset)), { ...table, ...used })).toBe(true)
})

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Some of these words, or the gaps between them, in any order. */
function words(spoken: string): fc.Arbitrary<string> {
  return joined(fc.constantFrom(...spoken.split(' '), ' '), 40)
}

function characters(known: Iterable<string>, most = 40): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...known), minLength: 1, maxLength: most })
}

function joined(parts: fc.Arbitrary<string>, most: number): fc.Arbitrary<string> {
  return fc.array(parts, { maxLength: most }).map((all) => all.join(''))
}

function repeated([text, times]: [string, number]): string {
  return text.repeat(times)
}

/** The lines of the data, in two words each. */
async function lines(): Promise<string[][]> {
  const rows = (await data.text()).trimEnd().split('\n')
  return rows.map((row) => row.split(' '))
}

function hashed(text: string): number {
  return Buffer.from(text).reduce(hashOn, 0)
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

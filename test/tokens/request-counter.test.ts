import { describe, expect, test } from 'bun:test'
import type { AssistantPart, ChatRequest, ImagePart, Message, UserPart } from '../../src/core/request.ts'
import { imageTokens } from '../../src/tokens/image-tokens.ts'
import { createCounter } from '../../src/tokens/request-counter.ts'
import { loadVocabulary } from '../../src/tokens/vocabulary.ts'
import { cpuTimeMs } from '../support/cpu-time.ts'
import { plainRequest } from '../support/request.ts'

const { countRequest, countText } = createCounter(await loadVocabulary())

const bare: ChatRequest = plainRequest({
  model: 'GLM-4.5',
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hello there' }] }],
})
const words = 'The lighthouse keeper counted seven ships before breakfast.'
const wordTokens = 9

const more = (...messages: Message[]): Partial<ChatRequest> => ({ messages: [...bare.messages, ...messages] })
const user = (...parts: UserPart[]) => more({ role: 'user', parts })
const assistant = (...parts: AssistantPart[]) => more({ role: 'assistant', parts })
const image: ImagePart = { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } }
const schema = { type: 'object', properties: { ships: { type: 'integer', description: words } }, required: ['ships'] }

describe('everything that reaches the prompt costs', () => {
  test('the words themselves, and the marks around them', () => {
    expect(countText(words)).toBe(wordTokens)
    expect(countRequest(bare)).toBe(2 + 2 + 4)
  })

  test.each<[string, Partial<ChatRequest>, number]>([
    ['a system message', more({ role: 'system', text: words }), wordTokens + 2],
    ['another turn', user({ type: 'text', text: words }), wordTokens + 2],
    ['an answer sent back', assistant({ type: 'text', text: words }), wordTokens + 2],
    ['reasoning sent back', assistant({ type: 'reasoning', text: words }), wordTokens + 4],
    [
      'a tool call',
      assistant({ type: 'tool-call', id: 'call_1', name: 'count', arguments: '{"ships": 7}' }),
      countText('count') + countText('{"ships": 7}') + 8,
    ],
    [
      'a tool result',
      more({ role: 'tool', callId: 'call_1', parts: [{ type: 'text', text: words }], isError: false }),
      wordTokens + 6,
    ],
    ['an image in a tool result', more({ role: 'tool', callId: 'call_1', parts: [image], isError: false }), 1_000 + 6],
    ['an image', user(image), 1_000 + 2],
    [
      'a document, by its bytes',
      user({ type: 'document', source: { type: 'base64', mediaType: 'application/pdf', data: 'A'.repeat(1_600) } }),
      100 + 2,
    ],
    [
      'a document elsewhere',
      user({ type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } }),
      2_002,
    ],
    [
      'the title of a document',
      user({ type: 'document', title: words, source: { type: 'base64', mediaType: 'application/pdf', data: '' } }),
      wordTokens + 2,
    ],
    [
      'a tool, printed as the template prints it',
      { tools: [{ name: 'count', description: 'Counts ships', parameters: { type: 'object', properties: {} } }] },
      countText(
        '{"type": "function", "function": {"name": "count", "description": "Counts ships", "parameters": {"type": "object", "properties": {}}}}',
      ) + 130,
    ],
    [
      'the schema of the answer',
      { output: { type: 'json', schema } },
      countText(
        `{"type": "object", "properties": {"ships": {"type": "integer", "description": "${words}"}}, "required": ["ships"]}`,
      ),
    ],
  ])('%s', (_name, added, tokens) => {
    expect(countRequest({ ...bare, ...added }) - countRequest(bare)).toBe(tokens)
  })

  test('line breaks inside a description stay', () => {
    const tool = (description: string) => ({ tools: [{ name: 'count', description, parameters: {} }] })
    const broken = countRequest({ ...bare, ...tool('one,\n\n\n  two') })
    expect(broken).toBeGreaterThan(countRequest({ ...bare, ...tool('one, two') }))
  })
})

describe('an image costs what its size says', () => {
  test.each<[string, number[], number]>([
    ['PNG', [0x89, ...ascii('PNG\r\n\x1a\n'), 0, 0, 0, 13, ...ascii('IHDR'), ...big(1_120, 4), ...big(560, 4)], 802],
    ['GIF', [...ascii('GIF89a'), ...little(280, 2), ...little(280, 2)], 102],
    [
      'JPEG behind a preview',
      [0xff, 0xd8, 0xff, 0xe1, ...big(302, 2), ...Array(300).fill(7), ...frame(0xc2, 560, 280)],
      202,
    ],
    ['JPEG behind its tables', [0xff, 0xd8, ...frame(0xc4, 9, 9), ...frame(0xc0, 280, 560)], 202],
    ['WebP, extended', webp('VP8X', [0, 0, 0, 0, ...little(1_119, 3), ...little(559, 3)]), 802],
    ['WebP, lossless', webp('VP8L', [0x2f, ...little((279 << 14) | 559, 4)]), 202],
    ['WebP, lossy', webp('VP8 ', [0, 0, 0, 0x9d, 1, 0x2a, ...little(560, 2), ...little(280, 2)]), 202],
    [
      'a huge one is scaled down',
      [0x89, ...ascii('PNG\r\n\x1a\n'), 0, 0, 0, 13, ...ascii('IHDR'), ...big(9_000, 4), ...big(9_000, 4)],
      7_571,
    ],
    ['a tiny one is scaled up', [...ascii('GIF87a'), ...little(1, 2), ...little(1, 2)], 11],
    ['something else is taken for a typical one', ascii('<svg xmlns="http://www.w3.org/2000/svg"/>'), 1_000],
    ['so is a size of nothing', [...ascii('GIF87a'), 0, 0, 0, 0], 1_000],
    ['so is a JPEG cut short', [0xff, 0xd8, 0xff, 0xe1, 0x7f, 0xff], 1_000],
    ['so is a JPEG that goes astray', [0xff, 0xd8, 0xff, 0xe1, 0, 2, 1, 2, 3, 4], 1_000],
  ])('%s', (_name, header, tokens) => {
    const bytes = Buffer.from([...header, ...Array(40).fill(0)])
    expect(imageTokens({ type: 'base64', mediaType: 'image/any', data: bytes.toString('base64') })).toBe(tokens)
  })

  test.each(['', '!!!!', 'AAAA'])('%p is no image, and no error', (data) => {
    expect(imageTokens({ type: 'base64', mediaType: 'image/png', data })).toBe(1_000)
  })
})

function ascii(text: string): number[] {
  return [...Buffer.from(text, 'latin1')]
}

function big(value: number, bytes: number): number[] {
  return little(value, bytes).reverse()
}

function little(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, index) => Math.floor(value / 256 ** index) % 256)
}

function webp(chunk: string, content: number[]): number[] {
  return [...ascii('RIFF'), 0, 0, 0, 0, ...ascii('WEBP'), ...ascii(chunk), 0, 0, 0, 0, ...content]
}

/** A JPEG segment of 9 bytes that would hold a size if its marker were a frame's. */
function frame(marker: number, width: number, height: number): number[] {
  return [0xff, marker, ...big(9, 2), 8, ...big(height, 2), ...big(width, 2), 1, 0]
}

test('a schema costs its length, however deep it goes', () => {
  let deep: unknown = Array.from({ length: 1_000_000 }, () => 0)
  for (let level = 0; level < 230; level++) deep = [deep]
  const startedAt = cpuTimeMs()
  countRequest({ ...bare, output: { type: 'json', schema: { enum: deep } } })
  expect(cpuTimeMs() - startedAt).toBeLessThan(1_200)
})

test('a tool that comes back is printed once, to be recognised', async () => {
  let printed = 0
  const parameters = {
    toJSON() {
      printed++
      return { type: 'object', properties: { path: { type: 'string' } } }
    },
  }
  const counter = createCounter(await loadVocabulary())
  const request = { ...bare, tools: [{ name: 'read', description: 'Reads a file.', parameters }] }
  const first = counter.countRequest(request)
  expect(printed).toBe(2)
  expect(counter.countRequest(request)).toBe(first)
  expect(printed).toBe(3)
})

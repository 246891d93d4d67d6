import { afterAll, describe, expect, test } from 'bun:test'
import Anthropic from '@anthropic-ai/sdk'
import { systemClock } from '../../src/async/system-clock.ts'
import { dialects } from '../../src/dialects/index.ts'
import { basePathsOf } from '../../src/http/base-paths.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway, until } from '../support/gateway.ts'
import { pdfOf } from '../support/pdf.ts'

const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })])
afterAll(() => gateway.stop())

const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'anything', maxRetries: 0 })

type Body = Anthropic.MessageCountTokensParams
type Turn = Anthropic.MessageParam

const bare: Body = { model: 'GLM-4.5', messages: [{ role: 'user', content: 'Count the ships' }] }
const words = 'The lighthouse keeper counted seven ships before breakfast.'
const onePixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

const user = (...content: Anthropic.ContentBlockParam[]): Turn[] => [...bare.messages, { role: 'user', content }]
const png = { type: 'base64' as const, media_type: 'image/png' as const, data: onePixel }
const pdf = {
  type: 'base64' as const,
  media_type: 'application/pdf' as const,
  data: Buffer.from(pdfOf([{ lines: [words] }])).toString('base64'),
}

async function count(body: Body): Promise<number> {
  return (await anthropic.messages.countTokens(body)).input_tokens
}

function post(path: string, body: unknown): Promise<Response> {
  const headers = { 'content-type': 'application/json' }
  return fetch(gateway.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
}

describe('everything in the body costs something', () => {
  const assistant = (...content: Anthropic.ContentBlockParam[]): Turn[] => [
    ...bare.messages,
    { role: 'assistant', content },
  ]
  const call = { type: 'tool_use' as const, id: 'toolu_1', name: 'count', input: { note: words } }
  const result = (content: Anthropic.ToolResultBlockParam['content']): Turn[] => [
    ...assistant(call),
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content }] },
  ]
  const tool = (description: string, note: string): Anthropic.Tool => ({
    name: 'count',
    description,
    input_schema: { type: 'object', properties: { note: { type: 'string', description: note } } },
  })

  test.each<[string, Partial<Body>, Partial<Body>]>([
    ['a system prompt', {}, { system: words }],
    ['system blocks', { system: 'Brief.' }, { system: [{ type: 'text', text: words }] }],
    ['a text block', {}, { messages: user({ type: 'text', text: words }) }],
    ['an image', {}, { messages: user({ type: 'image', source: png }) }],
    [
      'an image elsewhere',
      {},
      { messages: user({ type: 'image', source: { type: 'url', url: 'https://a.example/' } }) },
    ],
    ['a document', {}, { messages: user({ type: 'document', source: pdf }) }],
    ['an answer', {}, { messages: assistant({ type: 'text', text: words }) }],
    ['a tool call', {}, { messages: assistant(call) }],
    ['a tool result', { messages: result([]) }, { messages: result(words) }],
    ['a block in a tool result', { messages: result([]) }, { messages: result([{ type: 'text', text: words }]) }],
    ['an image in a tool result', { messages: result([]) }, { messages: result([{ type: 'image', source: png }]) }],
    ['a tool', {}, { tools: [tool('', '')] }],
    ['its description', { tools: [tool('', '')] }, { tools: [tool(words, '')] }],
    ['its schema', { tools: [tool('', '')] }, { tools: [tool('', words)] }],
    [
      'the schema of the answer',
      {},
      { output_config: { format: { type: 'json_schema', schema: { type: 'object', description: words } } } },
    ],
  ])('%s', async (_name, without, added) => {
    expect(await count({ ...bare, ...added })).toBeGreaterThan(await count({ ...bare, ...without }))
  })

  test('reasoning of the gateway that comes back', async () => {
    const reply = await anthropic.messages.create({
      ...bare,
      model: 'GLM-4.5',
      max_tokens: 4_000,
      thinking: { type: 'enabled', budget_tokens: 1_024 },
    })
    const said = (types: string[]) => assistant(...reply.content.filter(({ type }) => types.includes(type)))
    expect(reply.content.map(({ type }) => type)).toEqual(['thinking', 'text'])
    expect(await count({ ...bare, messages: said(['thinking', 'text']) })).toBeGreaterThan(
      await count({ ...bare, messages: said(['text']) }),
    )
  })
})

describe('the route', () => {
  test.each(basePathsOf(dialects))('answers below "%s", with the beta mark and without', async (basePath) => {
    for (const query of ['', '?beta=true']) {
      const reply = await post(`${basePath}/messages/count_tokens${query}`, bare)
      expect(reply.status).toBe(200)
      expect(await reply.json()).toEqual({ input_tokens: expect.any(Number), context_management: null })
    }
  })

  test('answers 26 at once, each for itself', async () => {
    const bodies = Array.from({ length: 26 }, (_, n) => ({
      ...bare,
      messages: [{ role: 'user' as const, content: words.repeat(10 * (n + 1)) }],
    }))
    const counts = await Promise.all(bodies.map(count))
    expect(counts).toEqual([...counts].sort((a, b) => a - b))
    expect(new Set(counts).size).toBe(26)
    expect(counts[0]).toBeGreaterThan(90)
  })

  test('takes names of other vendors, as /v1/messages does', async () => {
    expect(await count({ ...bare, model: 'claude-opus-4-7' })).toBeGreaterThan(0)
  })

  test.each<[string, Anthropic.ContentBlockParam[]]>([
    ['words', []],
    ['a PDF, which becomes text', [{ type: 'document', source: pdf }]],
    ['an image nobody sees', [{ type: 'image', source: png }]],
  ])('says what the message itself begins with: %s', async (_name, files) => {
    const body = { ...bare, model: 'GLM-4.6', messages: user(...files, { type: 'text', text: 'And?' }) }
    // Counted first: the usage of the reply improves later estimates.
    const counted = await count(body)
    const stream = await anthropic.messages.create({ ...body, max_tokens: 100, stream: true })
    for await (const event of stream)
      if (event.type === 'message_start') expect(event.message.usage.input_tokens).toBe(counted)
    expect.assertions(1)
  })

  test('counts a file elsewhere without fetching it', async () => {
    const source = { type: 'url' as const, url: 'https://a.example/letter.pdf' }
    expect(await count({ ...bare, messages: user({ type: 'document', source }) })).toBeGreaterThan(await count(bare))
  })

  test('says of a file nobody can read what the message would be refused with', async () => {
    const source = { ...pdf, data: btoa('%PDF-1.4 and nothing else') }
    const reply = await post('/v1/messages/count_tokens', { ...bare, messages: user({ type: 'document', source }) })
    expect([reply.status, await reply.json()]).toMatchObject([
      400,
      { error: { message: expect.stringContaining('PDF is broken') } },
    ])
  })

  test('leaves one line in the log', async () => {
    const told = () => gateway.lines.filter((line) => line.includes('GLM-4.7'))
    await count({ ...bare, model: 'GLM-4.7' })
    await until(() => told().length > 0, 'a line in the log')
    expect(told()).toEqual([expect.stringMatching(/count_tokens.*GLM-4\.7/)])
  })
})

describe('a body at fault', () => {
  test.each<[string, object, number, string, RegExp]>([
    ['no messages', { model: 'GLM-4.5' }, 400, 'invalid_request_error', /^messages: this field is required/],
    ['an empty conversation', { ...bare, messages: [] }, 400, 'invalid_request_error', /^messages: at least one/],
    ['a number for a conversation', { ...bare, messages: 7 }, 400, 'invalid_request_error', /^messages: expected /],
    ['a model nobody has', { ...bare, model: 'llama-3' }, 404, 'not_found_error', /`llama-3` does not exist/],
  ])('%s', async (_name, body, status, type, message) => {
    const reply = await post('/v1/messages/count_tokens', body)
    expect(reply.status).toBe(status)
    expect(await reply.json()).toEqual({
      type: 'error',
      error: { type, message: expect.stringMatching(message) },
      request_id: reply.headers.get('request-id'),
    })
  })
})

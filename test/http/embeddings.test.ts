import { afterAll, describe, expect, test } from 'bun:test'
import { GoogleGenAI } from '@google/genai'
import { Ollama } from 'ollama'
import OpenAI from 'openai'
import OpenAI6 from 'openai-6'
import { systemClock } from '../../src/async/system-clock.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { startGateway } from '../support/gateway.ts'

// The vendors' own packages against a listening server, with vectors of the demo.
const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })
const access = { openaiKey: 'sk-open', anthropicKey: 'sk-anth' }
const gateway = startGateway([upstream], { access, maxBodyBytes: 10_000_000 })
afterAll(() => gateway.stop())

const clientOptions = { baseURL: `${gateway.url}/v1`, apiKey: 'sk-open', maxRetries: 0 }
const versions: [string, OpenAI][] = [
  ['7', new OpenAI(clientOptions)],
  ['6', new OpenAI6(clientOptions) as unknown as OpenAI],
]
const model = 'embedding-3'

const post = (path: string, body: object) =>
  fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-open' },
    body: JSON.stringify(body),
  })

async function vectorsOf(input: unknown, more: object = {}): Promise<number[][]> {
  const { data } = await (await post('/v1/embeddings', { model, input, ...more })).json()
  expect(data.map(({ index }: { index: number }) => index)).toEqual(data.map((_: unknown, index: number) => index))
  return data.map(({ embedding }: { embedding: number[] }) => embedding)
}

const closeness = (one: readonly number[], other: readonly number[]) =>
  one.reduce((sum, value, at) => sum + value * (other[at] ?? 0), 0)

describe.each(versions)('the openai package, version %s', (_version, openai) => {
  test('reads vectors, for which it asks in base64', async () => {
    const asked = await openai.embeddings.create({ model, input: ['A cat sleeps', 'A dog barks'] })
    expect(asked).toMatchObject({ object: 'list', model, usage: { prompt_tokens: 6, total_tokens: 6 } })
    const vectors = asked.data.map(({ embedding }) => [...embedding])
    expect(vectors).toEqual(await vectorsOf(['A cat sleeps', 'A dog barks']))
    const floats = await openai.embeddings.create({ model, input: 'A cat sleeps', encoding_format: 'float' })
    expect(floats.data.map(({ embedding }) => embedding)).toEqual(vectors.slice(0, 1))
  })

  test('of the length that it wants', async () => {
    const { data } = await openai.embeddings.create({ model, input: 'A cat', dimensions: 16 })
    expect(data[0]?.embedding).toHaveLength(16)
  })

  test('reads refusals', async () => {
    const refused = await openai.embeddings
      .create({ model: 'GLM-4.5', input: 'A cat' })
      .then(undefined, (thrown) => thrown)
    expect(refused).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' })
    expect(refused.message).toContain('embedding-3')
  })
})

test('more text than any model takes is refused in every dialect', async () => {
  const text = 'a'.repeat(2_000_001)
  const refused: [string, object, object][] = [
    ['/v1/embeddings', { model, input: [text, text] }, { error: { code: 'embedding_input_too_large' } }],
    ['/api/embed', { model, input: [text, text] }, { error: expect.stringContaining('4000002 characters') }],
    [
      `/v1beta/models/${model}:embedContent`,
      { content: { parts: [{ text }, { text }] } },
      { error: { code: 413, message: expect.stringContaining('at most 4000000') } },
    ],
  ]
  for (const [path, body, error] of refused) {
    const response = await post(path, body)
    expect([response.status, await response.json()]).toMatchObject([413, error])
  }
})

describe("Ollama's package", () => {
  const ollama = new Ollama({ host: gateway.url, headers: { Authorization: 'Bearer sk-open' } })

  test('reads vectors of several texts', async () => {
    const name = `${model}:latest`
    const asked = await ollama.embed({ model: name, input: ['A cat sleeps', 'A dog barks'], dimensions: 32 })
    expect(asked).toMatchObject({ model: name, prompt_eval_count: 6, load_duration: 0 })
    expect(asked.embeddings).toEqual(await vectorsOf(['A cat sleeps', 'A dog barks'], { dimensions: 32 }))
    expect((await ollama.embed({ model: name, input: [] })).embeddings).toEqual([])
  })

  test('reads one vector as it was', async () => {
    expect((await ollama.embeddings({ model, prompt: 'A cat sleeps' })).embedding).toEqual(
      (await vectorsOf('A cat sleeps'))[0] ?? [],
    )
  })

  test('is told which model makes them', async () => {
    expect((await ollama.show({ model })).capabilities).toEqual(['embedding'])
    expect((await ollama.list()).models.map(({ name }) => name)).toContain(`${model}:latest`)
  })
})

describe("Google's package", () => {
  const google = new GoogleGenAI({ apiKey: 'sk-open', httpOptions: { baseUrl: gateway.url } })

  test('reads vectors of several texts, of the length that it wants', async () => {
    const contents = ['A cat sleeps', 'A dog barks']
    const { embeddings = [] } = await google.models.embedContent({
      model,
      contents,
      config: { outputDimensionality: 32 },
    })
    expect(embeddings.map(({ values }) => values)).toEqual(await vectorsOf(contents, { dimensions: 32 }))
  })

  test('is given one vector where it asks for one', async () => {
    const content = { parts: [{ text: 'A cat sleeps' }] }
    const response = await post(`/v1beta/models/${model}:embedContent`, { content, taskType: 'RETRIEVAL_QUERY' })
    expect([response.status, response.headers.get('x-zai2api-ignored')]).toEqual([200, 'taskType'])
    expect(await response.json()).toEqual({ embedding: { values: (await vectorsOf('A cat sleeps'))[0] } })
  })

  test('reads refusals in its shape', async () => {
    const refused: unknown = await google.models
      .embedContent({ model: 'GLM-4.5', contents: 'A cat' })
      .catch((thrown) => thrown)
    expect(refused).toMatchObject({ status: 404, message: expect.stringContaining('embedding-3') })
    const differing = { content: { parts: [{ text: 'a' }] } }
    const mixed = await post(`/v1beta/models/${model}:batchEmbedContents`, {
      requests: [differing, { ...differing, outputDimensionality: 8 }],
    })
    expect([mixed.status, (await mixed.json()).error.message]).toEqual([
      400,
      expect.stringContaining('outputDimensionality'),
    ])
  })
})

test('the same path behind /api is that of Ollama, which has no input', async () => {
  const refused = await post('/api/embeddings', { model, input: 'A cat' })
  expect([refused.status, await refused.json()]).toEqual([400, { error: 'prompt: this field is required' }])
})

test.each<[string, (length: number) => object]>([
  ['/v1/embeddings', (dimensions) => ({ model, input: 'A cat', dimensions })],
  ['/api/embed', (dimensions) => ({ model, input: 'A cat', dimensions })],
  [
    `/v1beta/models/${model}:embedContent`,
    (outputDimensionality) => ({ content: { parts: [{ text: 'A cat' }] }, outputDimensionality }),
  ],
])('%s refuses vectors that are longer than any', async (path, bodyOf) => {
  const statuses = [2_048, 2_049, 1e9, 1e308].map(async (length) => (await post(path, bodyOf(length))).status)
  expect(await Promise.all(statuses)).toEqual([200, 400, 400, 400])
})

test('texts that share words are close to each other', async () => {
  const [cat = [], other = [], far = []] = await vectorsOf(['the cat sleeps', 'the cat sleeps well', 'monads compose'])
  expect(closeness(cat, other)).toBeGreaterThan(0.7)
  expect(Math.abs(closeness(cat, far))).toBeLessThan(0.4)
})

test('tokens of cl100k_base are the text that they stand for', async () => {
  // 'Hello, wörld 👋' in that vocabulary; LangChain for Python sends lists of such lists.
  const tokens = [9906, 11, 289, 9603, 509, 62904, 233]
  const [ofTokens, ofLists] = [await vectorsOf(tokens), await vectorsOf([tokens, tokens])]
  const text = await vectorsOf('Hello, wörld 👋')
  expect(ofTokens).toEqual(text)
  expect(ofLists).toEqual([...text, ...text])
})

test('names of other vendors mean the model that there is', async () => {
  const names = ['text-embedding-3-small', 'text-embedding-ada-002', 'gemini-embedding-001', 'demo/embedding-3']
  const expected = (await vectorsOf('A cat'))[0]
  for (const name of names.slice(0, 3))
    expect((await vectorsOf('A cat', { model: name }))[0]).toEqual(expected as number[])
})

test.each<[string, object, string]>([
  ['no input', { model }, 'input'],
  ['an empty text', { model, input: ['a', ''] }, 'input.1'],
  ['an empty list', { model, input: [] }, 'input'],
  ['numbers that are no tokens', { model, input: [1, 9_999_999] }, 'input.0'],
  ['too many texts', { model, input: Array.from({ length: 2_049 }, () => 'a') }, 'input'],
  ['another format', { model, input: 'a', encoding_format: 'int8' }, 'encoding_format'],
  ['no length', { model, input: 'a', dimensions: 0 }, 'dimensions'],
  ['no model', { input: 'a' }, 'model'],
])('%s is refused, with the field', async (_name, body, param) => {
  const response = await post('/v1/embeddings', body)
  expect([response.status, await response.json()]).toEqual([400, { error: expect.objectContaining({ param }) }])
})

test('what is not read is named', async () => {
  const response = await post('/v1/embeddings', { model, input: 'a', task: 'search', user: 'u' })
  expect([response.status, response.headers.get('x-zai2api-ignored')]).toEqual([200, 'task'])
  expect(response.headers.get('x-zai2api-upstream')).toBe('demo')
})

test('it takes the key of its API, and says who asked in the log', async () => {
  const ask = (key: string) =>
    fetch(`${gateway.url}/v1/embeddings`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify({ model, input: 'A cat' }),
    })
  expect([(await ask('sk-anth')).status, (await ask('sk-open')).status]).toEqual([401, 200])
  const line = gateway.lines.findLast((each) => each.includes('/v1/embeddings') && each.includes('200')) ?? ''
  expect(line).toContain('embedding-3')
})

test('it is listed where embeddings can be asked for, as what it is', async () => {
  const list = async (headers: Record<string, string>) =>
    (
      await (
        await fetch(`${gateway.url}/v1/models?limit=100`, { headers: { authorization: 'Bearer sk-open', ...headers } })
      ).json()
    ).data
  expect(await list({})).toContainEqual(
    expect.objectContaining({
      id: model,
      architecture: { input_modalities: ['text'], output_modalities: ['embeddings'] },
    }),
  )
  const theirs = await list({ 'anthropic-version': '2023-06-01' })
  expect(theirs.map(({ id }: { id: string }) => id)).not.toContain(model)
})

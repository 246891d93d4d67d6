import { afterAll, describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../src/async/system-clock.ts'
import { demo } from '../src/upstreams/demo/index.ts'
import { gatewayApp } from './support/gateway.ts'
import { faultsOf } from './support/sdk-types/check.ts'
import { replyFaults } from './support/sdk-types/replies.ts'
import { goldenRoot, replayed } from './support/transcripts.ts'

// What the official packages' types require is read from their declarations: an answer that lacks a member of these is
// taken by their own parsers, and fails later in the programs that read it. Cases and conformance are held to the same.

const paths: Record<string, string> = {
  'openai-chat': '/v1/chat/completions',
  'openai-completions': '/v1/completions',
  'openai-responses': '/v1/responses',
  'anthropic-messages': '/v1/messages',
  gemini: '/v1beta/models/GLM-4.5:generateContent',
}

/** Where a reply is streamed by its path, and not by its body. */
function addressOf(path: string, stream: boolean): string {
  return stream ? path.replace(':generateContent', ':streamGenerateContent?alt=sse') : path
}

describe('the check itself', () => {
  const chunk = 'openai chat/completions/completions ChatCompletionChunk'
  const choice = { index: 0, delta: { content: 'a' }, finish_reason: null }
  const whole = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'glm', choices: [choice] }

  test.each<[string, object, string[]]>([
    ['takes what is complete, and members of our own', { ...whole, ours: 1 }, []],
    ['misses a member', { ...whole, model: undefined }, [" must have required property 'model'"]],
    ['knows kinds', { ...whole, created: '1' }, ['/created must be number, not "1"']],
    [
      'knows words',
      { ...whole, choices: [{ ...choice, finish_reason: 'end' }] },
      [
        '/choices/0/finish_reason must be equal to one of the allowed values: stop,length,tool_calls,content_filter,function_call, not "end"',
        '/choices/0/finish_reason must be null',
      ],
    ],
  ])('%s', (_name, value, faults) => {
    const found = faultsOf(JSON.parse(JSON.stringify(value)), chunk)
    expect(found.map((fault, at) => fault.slice(0, faults[at]?.length))).toEqual(faults)
  })

  test('tells which branch of a union was meant', () => {
    expect(faultsOf({ type: 'message_stop' }, 'anthropic messages/messages RawMessageStreamEvent')).toEqual([])
    expect(faultsOf({ type: 'content_block_stop' }, 'anthropic messages/messages RawMessageStreamEvent')).toEqual([
      ` must have required property 'index', not {"type":"content_block_stop"}`,
    ])
  })
})

describe.each(Object.keys(replayed))('recordings of %s', (upstream) => {
  const folder = join(goldenRoot, upstream)
  test.each(readdirSync(folder))('%s', (name) => {
    const files = readdirSync(join(folder, name)).filter((file) => /^(?:(?:openai|anthropic)-|gemini)/.test(file))
    expect(files.length).toBe(10)
    const faults = files.flatMap((file) => {
      const text = readFileSync(join(folder, name, file), 'utf8').replace(/^HTTP \d+\n/, '')
      return replyFaults(paths[file.replace(/\..*/, '')] ?? file, text).map((fault) => `${file}: ${fault}`)
    })
    expect(faults).toEqual([])
  })
})

const app = gatewayApp([demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })], { maxBodyBytes: 10_000_000 })
afterAll(() => app.stop())

async function ask(path: string, body?: object, headers: Record<string, string> = {}): Promise<string> {
  const init = body ? { method: 'POST', body: JSON.stringify(body) } : {}
  return await (await app.handle(new Request(`http://localhost${path}`, { ...init, headers }))).text()
}

describe.each(Object.keys(paths))('what clients send to %s is answered in its types', (dialect) => {
  const folder = join(goldenRoot, 'requests', dialect)
  const path = paths[dialect] ?? dialect
  test.each(readdirSync(folder))('%s', async (name) => {
    const { body, headers } = JSON.parse(readFileSync(join(folder, name, 'in.json'), 'utf8'))
    for (const stream of [false, true])
      expect(replyFaults(path, await ask(addressOf(path, stream), { ...body, stream }, headers))).toEqual([])
  })
})

describe.each(Object.entries(paths))('what the demo is told to do on %s', (dialect, path) => {
  const markers = [
    '[think]',
    '[reasoning]',
    '[search:news]',
    '[tool:f {"a":1}]',
    '[error:429]',
    '[cut]',
    '[length]',
    '',
  ]
  const asking: Record<string, (text: string) => object> = {
    'openai-chat': (content) => ({
      messages: [{ role: 'user', content }],
      tools: [{ type: 'function', function: { name: 'f' } }],
      web_search_options: {},
      stream_options: { include_usage: true },
    }),
    'openai-completions': (prompt) => ({ prompt }),
    'openai-responses': (input) => ({
      input,
      tools: [{ type: 'function', name: 'f' }, { type: 'custom', name: 'g' }, { type: 'web_search' }],
      reasoning: { effort: 'high', summary: 'auto' },
    }),
    'anthropic-messages': (content) => ({
      max_tokens: 4_000,
      messages: [{ role: 'user', content }],
      tools: [
        { name: 'f', input_schema: { type: 'object' } },
        { type: 'web_search_20250305', name: 'web_search' },
      ],
      thinking: { type: 'enabled', budget_tokens: 1_024 },
    }),
    gemini: (text) => ({
      contents: [{ parts: [{ text }] }],
      tools: [{ functionDeclarations: [{ name: 'f' }] }, { googleSearch: {} }],
      generationConfig: { thinkingConfig: { includeThoughts: true } },
    }),
  }
  test.each(markers)('%s', async (marker) => {
    for (const stream of [false, true]) {
      const body = { model: 'GLM-4.5', ...asking[dialect]?.(`${marker} Hello`), stream }
      expect(replyFaults(path, await ask(addressOf(path, stream), body))).toEqual([])
    }
  })

  test.each([{}, { model: 'llama-9' }, { model: 7, contents: 7 }])('%j is refused in its types', async (body) => {
    expect(replyFaults(path, await ask(path, body))).toEqual([])
  })
})

test('tokens are counted', async () => {
  const path = '/v1/messages/count_tokens'
  const messages = [{ role: 'user', content: 'Hello' }]
  for (const body of [
    { model: 'GLM-4.5', messages },
    { model: 'GLM-4.5', messages: [] },
  ])
    expect(replyFaults(path, await ask(path, body))).toEqual([])
})

test("models are listed as Google's are", async () => {
  const theirs = { 'x-goog-api-key': 'k' }
  const { models } = JSON.parse(await ask('/v1beta/models', undefined, theirs))
  expect(models.length).toBeGreaterThan(0)
  for (const model of [...models, JSON.parse(await ask('/v1/models/GLM-4.5', undefined, theirs))]) {
    const { supportedGenerationMethods: supportedActions, ...rest } = model
    expect(faultsOf({ ...rest, supportedActions }, 'genai genai Model')).toEqual([])
  }
})

test('models are listed as both vendors list them', async () => {
  const anthropic = { 'anthropic-version': '2023-06-01' }
  const { data } = JSON.parse(await ask('/v1/models'))
  expect(data.length).toBeGreaterThan(0)
  for (const model of [...data, JSON.parse(await ask('/v1/models/GLM-4.5'))])
    expect(faultsOf(model, 'openai models Model')).toEqual([])
  const theirs = JSON.parse(await ask('/v1/models', undefined, anthropic)).data
  expect(theirs.length).toBeGreaterThan(0)
  for (const model of [...theirs, JSON.parse(await ask('/v1/models/GLM-4.5', undefined, anthropic))])
    for (const type of ['anthropic models ModelInfo', 'anthropic beta/models BetaModelInfo'])
      expect(faultsOf(model, type)).toEqual([])
  expect(faultsOf(JSON.parse(await ask('/v1/models/llama-9')).error, 'openai shared ErrorObject')).toEqual([])
  const unknown = JSON.parse(await ask('/v1/models/llama-9', undefined, anthropic))
  expect(faultsOf(unknown, 'anthropic shared ErrorResponse')).toEqual([])
})

test('stored responses are given back with what they answered', async () => {
  const input = [
    { role: 'user', content: 'Hello' },
    { role: 'assistant', content: 'Yes?' },
    { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
    { type: 'function_call_output', call_id: 'c', output: 'done' },
  ]
  const { id } = JSON.parse(await ask('/v1/responses', { model: 'GLM-4.5', input }))
  expect(replyFaults('/v1/responses', await ask(`/v1/responses/${id}`))).toEqual([])
  const items = JSON.parse(await ask(`/v1/responses/${id}/input_items`))
  expect(items.data.length).toBe(4)
  expect(faultsOf(items, 'openai responses/input-items ResponseItemList')).toEqual([])
})

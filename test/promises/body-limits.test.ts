import { afterEach, describe, expect, test } from 'bun:test'
import { chat, gatewayOf, post, says, stopGateways } from './sockets.ts'

afterEach(stopGateways)

describe('a request with too many messages', () => {
  const message = { role: 'user', content: 'Hi' }
  test.each([
    [chat, { model: 'GLM-4.5', messages: [message, message, message] }, 'messages'],
    ['/v1/messages', { model: 'GLM-4.5', max_tokens: 9, messages: [message, message, message] }, 'messages'],
    ['/v1/responses', { model: 'GLM-4.5', input: [message, message, message] }, 'input'],
  ])('is refused: POST %s', async (path, body, field) => {
    const refused = await post(gatewayOf({ limits: { maxMessages: 2 } }), path, body)
    expect(refused.status).toBe(400)
    expect(JSON.stringify(await refused.json())).toContain(`${field}: expected at most 2 entries, got 3`)
  })
})

describe('a body that goes deeper than anybody means', () => {
  const nested = (levels: number) => JSON.parse(`${'{"items":'.repeat(levels)}{}${'}'.repeat(levels)}`)
  const hi = [{ role: 'user', content: 'Hi' }]
  const places: [path: string, body: (schema: object) => object, field: string][] = [
    [
      chat,
      (parameters) => ({ messages: hi, tools: [{ type: 'function', function: { name: 'f', parameters } }] }),
      'tools.0.function',
    ],
    [
      '/v1/messages',
      (input_schema) => ({ max_tokens: 9, messages: hi, tools: [{ name: 'f', input_schema }] }),
      'tools.0.input_schema',
    ],
    [
      '/v1/messages/count_tokens',
      (input_schema) => ({ messages: hi, tools: [{ name: 'f', input_schema }] }),
      'tools.0.input_schema',
    ],
    [
      '/v1/responses',
      (parameters) => ({ input: 'Hi', tools: [{ type: 'function', name: 'f', parameters }] }),
      'tools.0.parameters',
    ],
    ['/v1/completions', (metadata) => ({ prompt: 'Hi', metadata }), 'metadata.items.items'],
  ]

  test.each(places)('is refused: POST %s', async (path, body, field) => {
    const refused = await post(gatewayOf(), path, { model: 'GLM-4.5', ...body(nested(20_000)) })
    expect(refused.status).toBe(400)
    expect(JSON.stringify(await refused.json())).toContain(`${field}: nested deeper than 256 levels`)
    const taken = await post(gatewayOf(), path, { model: 'GLM-4.5', ...body(nested(200)) })
    expect(taken.status).toBe(200)
    await taken.text()
  })
})

describe('a body of more values than anybody means', () => {
  const hi = [{ role: 'user', content: 'Hi' }]
  const lists: [string, unknown][] = [
    ['numbers', Array(300_000).fill(0)],
    ['small lists', Array(130_000).fill([0])],
    ['objects behind quotes in quotes', [...Array(10).fill('\\"[,{'), ...Array(100_000).fill({ a: '"', b: '\\' })]],
  ]
  test.each(lists)('is refused before it is read: %s', async (_name, extra) => {
    const gateway = gatewayOf({ maxBodyBytes: 10_000_000 })
    const refused = await post(gateway, chat, { ...says('Hi'), messages: hi, extra })
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({
      error: { message: 'The request body holds more than 250000 JSON values.', code: 'too_many_values' },
    })
  })

  const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`key${at}`, at]))
  test.each<[string, object]>([
    ['beside the others', keys(20_001)],
    ['inside a message', { messages: [{ ...hi[0], ...keys(20_001) }] }],
    ['inside a schema', { tools: [{ type: 'function', function: { name: 'f', parameters: keys(20_001) } }] }],
  ])('and so is one of more members in an object: %s', async (_name, fields) => {
    const refused = await post(gatewayOf(), chat, { ...says('Hi'), ...fields })
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({
      error: { message: 'The request body holds an object of more than 20000 members.', code: 'too_many_members' },
    })
  })

  test.each([
    ['spaces', ' '.repeat(1_600_000)],
    ['digits', `${'1'.repeat(1_600_000)},`],
  ])('and so is one of more %s in a row than anybody means', async (_name, many) => {
    const beginning = JSON.stringify({ ...says('Hi'), messages: hi }).slice(0, -1)
    const refused = await fetch(`${gatewayOf({ maxBodyBytes: 10_000_000 }).url}${chat}`, {
      method: 'POST',
      body: `${beginning},"extra":[${many}1]}`,
    })
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({
      error: { message: 'The request body holds a megabyte of white space or of one number.', code: 'too_many_blanks' },
    })
  })

  test('and one of more tools', async () => {
    const tools = Array(2_049).fill({ type: 'function', function: { name: 'f', parameters: {} } })
    const refused = await post(gatewayOf(), chat, { ...says('Hi'), tools })
    expect(await refused.json()).toMatchObject({
      error: { message: 'tools: expected at most 2048 entries, got 2049.', param: 'tools', code: 'too_many_tools' },
    })
  })

  test('and one that is nested too deep, however long, is told where', async () => {
    const nested = `${'['.repeat(300)}${']'.repeat(300)}`
    const body = `{"messages":[],"extra":{"long":"${'a'.repeat(200_000)}","deep":${nested}}}`
    const refused = await post(gatewayOf(), chat, {}, { body })
    expect(await refused.json()).toMatchObject({ error: { param: 'extra.deep.0', code: 'too_deep' } })
  })

  test.each<[string, unknown]>([
    ['text that holds as many brackets', `"[{\\,\n${'[{,"\\'.repeat(300_000)}`],
    ['as many numbers as is allowed', Array(240_000).fill(0)],
    ['as many members as are allowed', keys(19_990)],
    ['as many members in two objects', [keys(15_000), keys(15_000)]],
  ])('is not: %s', async (_name, extra) => {
    const taken = await post(gatewayOf({ maxBodyBytes: 10_000_000 }), chat, { ...says('Hi'), messages: hi, extra })
    expect(taken.status).toBe(200)
    await taken.text()
  })

  test('and one that is no JSON is told as such', async () => {
    const body = `{"a":"${','.repeat(600_000)}`
    const refused = await post(gatewayOf(), chat, {}, { body })
    expect(await refused.json()).toMatchObject({ error: { code: 'invalid_json' } })
  })
})

test.each([
  ['many', Array.from({ length: 1_000 }, (_, index) => `stop ${index}`)],
  ['long', ['a'.repeat(5_000)]],
])(
  'stop sequences that are too %s are refused, for every piece of the answer is searched for them',
  async (_name, stop) => {
    const gateway = gatewayOf()
    for (const [path, field] of [
      [chat, 'stop'],
      ['/v1/messages', 'stop_sequences'],
    ] as const) {
      const refused = await post(gateway, path, { ...says('Hi'), max_tokens: 9, [field]: stop })
      expect(refused.status).toBe(400)
      expect(JSON.stringify(await refused.json())).toContain('at most 4000 are looked for')
    }
    const taken = await post(gateway, chat, { ...says('Hi'), stop: stop.slice(0, 50).map((one) => one.slice(0, 50)) })
    expect(taken.status).toBe(200)
    await taken.text()
  },
)

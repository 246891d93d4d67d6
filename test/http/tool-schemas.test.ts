import { describe, expect, test } from 'bun:test'
import { apiUpstream } from '../support/api-upstream.ts'
import { gatewayApp } from '../support/gateway.ts'
import { chatRoute, scriptedApi } from '../support/zai-api.ts'

type Schema = Record<string, unknown>
const message = { role: 'user', content: 'Hello' }
const model = 'glm-4.6'

/** The body of a request for a whole reply, with a tool of this schema and with an answer of it. */
interface Door {
  path: string
  withTool: (schema: unknown) => object
  withAnswer: (schema: unknown) => object
}

const doors: Record<string, Door> = {
  'openai-chat': {
    path: '/v1/chat/completions',
    withTool: (parameters) => ({
      ...{ model, messages: [message] },
      tools: [{ type: 'function', function: { name: 'look', parameters } }],
    }),
    withAnswer: (schema) => ({
      ...{ model, messages: [message] },
      response_format: { type: 'json_schema', json_schema: { name: 'it', schema } },
    }),
  },
  'openai-responses': {
    path: '/v1/responses',
    withTool: (parameters) => ({ model, input: 'Hello', tools: [{ type: 'function', name: 'look', parameters }] }),
    withAnswer: (schema) => ({ model, input: 'Hello', text: { format: { type: 'json_schema', name: 'it', schema } } }),
  },
  'anthropic-messages': {
    path: '/v1/messages',
    withTool: (input_schema) => ({
      model,
      max_tokens: 99,
      messages: [message],
      tools: [{ name: 'look', input_schema }],
    }),
    withAnswer: (schema) => ({
      ...{ model, max_tokens: 99, messages: [message] },
      output_config: { format: { type: 'json_schema', schema } },
    }),
  },
  gemini: {
    path: `/v1beta/models/${model}:generateContent`,
    withTool: (parameters) => ({
      contents: [{ role: 'user', parts: [{ text: 'Hello' }] }],
      tools: [{ functionDeclarations: [{ name: 'look', parametersJsonSchema: parameters }] }],
    }),
    withAnswer: (responseJsonSchema) => ({
      contents: [{ role: 'user', parts: [{ text: 'Hello' }] }],
      generationConfig: { responseMimeType: 'application/json', responseJsonSchema },
    }),
  },
  ollama: {
    path: '/api/chat',
    withTool: (parameters) => ({
      ...{ model, messages: [message], stream: false },
      tools: [{ type: 'function', function: { name: 'look', parameters } }],
    }),
    withAnswer: (format) => ({ model, messages: [message], stream: false, format }),
  },
}

describe.each(Object.entries(doors))('%s', (_name, { path, withTool, withAnswer }) => {
  const api = scriptedApi()
  const app = gatewayApp([apiUpstream({ origin: 'https://api.z.ai', key: 'key-1', idleMs: 60_000, fetch: api.fetch })])
  const post = async (body: object) => {
    const response = await app.handle(
      new Request(`http://localhost${path}`, { method: 'POST', body: JSON.stringify(body) }),
    )
    return { status: response.status, text: await response.text() }
  }

  const broken: [Schema, string][] = [
    [{ type: 'object', required: [7] }, 'required.0: expected a string'],
    [{ type: 'object', properties: ['a'] }, 'properties: expected an object of schemas'],
    [{ type: 'object', properties: { a: { enum: { b: 1 } } } }, 'properties.a.enum: expected a list of values'],
    [{ type: 'object', properties: { a: { items: 3 } } }, 'properties.a.items: expected a schema'],
    [{ type: 'object', properties: { a: { anyOf: [{ $ref: 5 }] } } }, 'properties.a.anyOf.0.'],
  ]

  test.each(broken)('refuses a tool with %j, and names the keyword', async (schema, said) => {
    const { status, text } = await post(withTool(schema))
    expect([status, JSON.parse(text)]).toEqual([400, expect.anything()])
    expect(text).toContain(`tools: the schema of look is not valid at ${said}`)
    expect(api.to(chatRoute)).toEqual([])
  })

  test.each(broken)('refuses an answer with %j, and names the keyword', async (schema, said) => {
    const { status, text } = await post(withAnswer(schema))
    expect(status).toBe(400)
    expect(text).toContain(`: the schema is not valid at ${said}`)
    expect(api.to(chatRoute)).toEqual([])
  })

  test('mends what can mean only one thing', async () => {
    const schema = {
      type: 'object',
      properties: { a: { type: 'string', required: true, enum: {} }, b: { properties: [] } },
    }
    expect((await post(withTool(schema))).status).toBe(200)
    expect(api.to(chatRoute).at(-1)?.body).toMatchObject({
      tools: [
        {
          function: {
            parameters: {
              type: 'object',
              properties: { a: { type: 'string' }, b: { properties: {} } },
              required: ['a'],
            },
          },
        },
      ],
    })
    expect(JSON.stringify(api.to(chatRoute).at(-1)?.body)).not.toContain('"enum"')
  })

  test.each([[7], ['object'], [[7]]])('refuses %j in place of a schema', async (schema) => {
    const { status, text } = await post(withTool(schema))
    expect([status, text]).toEqual([400, expect.stringContaining('tools.0.')])
  })
})

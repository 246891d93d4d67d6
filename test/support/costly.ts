/** A client's schema and a model's answer that take long to validate, each case for another reason. */
export interface CostlyCase {
  name: string
  schema: Record<string, unknown>
  answer: string
}

const times = <Item>(count: number, make: (index: number) => Item) =>
  Array.from({ length: count }, (_, index) => make(index))
const properties = (count: number, make: (index: number) => unknown) =>
  Object.fromEntries(times(count, (index) => [`key${index}`, make(index)]))

const holding = (value: object) => ({
  type: 'object',
  properties: { value, count: { type: 'integer' } },
  required: ['value'],
})

/** Types that are united without a tag, as generators write them. */
const variant = (index: number) => ({
  type: 'object',
  properties: { kind: { const: index }, ...properties(12, (key) => ({ type: 'string', maxLength: index + key })) },
  required: ['kind', 'key0'],
  additionalProperties: false,
})

export const costlyCases: readonly CostlyCase[] = [
  {
    name: 'half a megabyte of schema',
    schema: {
      type: 'object',
      properties: properties(4_000, () => ({
        type: 'object',
        properties: { a: { type: 'string', minLength: 1 }, b: { anyOf: [{ type: 'integer' }, { type: 'null' }] } },
        required: ['a'],
      })),
    },
    answer: '{"key1":{"a":"b","b":1}}',
  },
  {
    name: 'a pattern that goes back and forth',
    schema: holding({ type: 'array', items: { type: 'string', pattern: '^(a+)+$' } }),
    answer: JSON.stringify({ value: times(300, () => `${'a'.repeat(21)}b`), count: '1' }),
  },
  {
    name: 'unique items',
    schema: holding({ type: 'array', uniqueItems: true }),
    answer: JSON.stringify({ value: times(20_000, (index) => ({ id: index, name: `n${index}` })), count: '1' }),
  },
  {
    name: 'a union of 150 variants',
    schema: {
      type: 'object',
      properties: { items: { type: 'array', items: { anyOf: times(150, variant) } } },
      required: ['items'],
    },
    answer: JSON.stringify({ items: times(20, (index) => ({ kind: `${index}`, key0: 'a' })) }),
  },
  {
    name: 'schemas of schemas of schemas',
    schema: {
      $defs: { a: { allOf: times(12, () => ({ $ref: '#/$defs/a' })) } },
      type: 'object',
      properties: { value: { $ref: '#/$defs/a' }, count: { type: 'integer' } },
    },
    answer: '{"value":{"a":1},"count":"1"}',
  },
  {
    name: 'half a megabyte of broken JSON',
    schema: { type: 'object' },
    answer: times(25_000, (index) => `{"a${index}":[1,{"b":"c`).join(''),
  },
  { name: 'half a megabyte of spaces in a fence', schema: {}, answer: `\`\`\`json\n${' '.repeat(500_000)}x` },
  { name: 'a long answer of brackets', schema: { type: 'object' }, answer: '[{'.repeat(250_000) },
]

/** A request that is costly for one reason, independently of the reply. */
export interface CostlyRequest {
  name: string
  /** The body without the model. */
  body: object
}

const functionTool = (index: number) => ({
  type: 'function',
  function: {
    name: `tool_${index}`,
    parameters: { type: 'object', properties: { path: { type: 'string', description: 'where' } }, required: ['path'] },
  },
})
const callAndResult = (index: number) => [
  {
    role: 'assistant',
    content: null,
    tool_calls: [{ id: `call${index}`, type: 'function', function: { name: 'it', arguments: '{"path":"a/b"}' } }],
  },
  { role: 'tool', tool_call_id: `call${index}`, content: `result ${index}` },
]
const membersOf = (count: number, value?: string) =>
  Object.fromEntries(times(count - 1, (place) => [`key${place}`, value ?? place]))
const question = { role: 'user', content: 'Hello!' }

export const costlyRequests: readonly CostlyRequest[] = [
  { name: '2,048 tools', body: { messages: [question], tools: times(2_048, functionTool) } },
  {
    name: 'ten objects of 20,000 members',
    body: { messages: [question], metadata: times(10, () => membersOf(20_000)) },
  },
  { name: 'a list of 200,000 words', body: { messages: [question], metadata: times(200_000, (place) => `${place}`) } },
  {
    name: '10,000 messages',
    body: {
      messages: times(9_999, (index) => ({ role: index % 2 ? 'assistant' : 'user', content: `${index} words` })),
    },
  },
  {
    name: '5,000 calls and their results',
    body: { messages: [question, ...times(4_999, callAndResult).flat()], tools: [functionTool(0)] },
  },
  {
    name: '30,000 parts of one message',
    body: { messages: [{ role: 'user', content: times(30_000, (index) => ({ type: 'text', text: `${index}` })) }] },
  },
]

/** A costly reply of an upstream: complete events, or the text or the whole delta of a single one. */
export interface CostlyReply {
  name: string
  events?: string
  text?: string
  delta?: object
}

const megabyte = (unit: string) => unit.repeat(Math.ceil(1_000_000 / unit.length))
/** Different ones, because a passage that is repeated without end stops the reply. */
const lines = (bytes: number, unit = 'a line') => {
  const length = Buffer.byteLength(`${unit} 100000\n`)
  return times(Math.floor(bytes / length), (index) => `${unit} ${100_000 + index}\n`).join('')
}
const oneEvent = (unit: string) => unit.repeat(Math.ceil(300_000 / unit.length))

/** The reply that is asked for in every dialect. */
export const argumentsReply = 'arguments of 6 MB in one event'

export const costlyReplies: readonly CostlyReply[] = [
  { name: 'a megabyte of comments', events: megabyte(': hello\n\n') },
  { name: 'a megabyte of blank lines', events: megabyte('\n') },
  { name: 'a megabyte of events without data', events: megabyte('data: \n\n') },
  { name: 'calls that are none in one event', text: oneEvent('<tool_call>x ') },
  { name: 'reasoning tags that are none in one event', text: oneEvent('<think ') },
  { name: 'signs of less in one event', text: oneEvent('a < b ') },
  { name: 'code fences in one event', text: oneEvent('```\n') },
  {
    name: '150,000 beginnings of calls in one event of reasoning',
    delta: { reasoning_content: '<tool_call>'.repeat(150_000) },
  },
  { name: argumentsReply, delta: callOf({ content: lines(6_000_000) }) },
  { name: 'arguments of 3 MB of quotes', delta: callOf({ content: lines(1_500_000, '""""""""""""') }) },
  { name: 'Chinese arguments of 6 MB', delta: callOf({ content: lines(6_000_000, '汉字，') }) },
  { name: 'arguments of 2 MB in one list', delta: callOf({ lines: times(130_000, (index) => `line ${index}`) }) },
  { name: 'arguments of 3 MB in 50,000 members', delta: callOf(membersOf(50_000, 'x'.repeat(45))) },
  { name: 'arguments of 3 MB that are no text', delta: callOf({ content: lines(3_000_000) }, 'object') },
  { name: 'a call of 6 MB in the answer', text: writtenCall(lines(6_000_000)) },
]

/** The delta of a whole call. */
export function callOf(args: object, as: 'text' | 'object' = 'text'): object {
  const written = as === 'text' ? JSON.stringify(args) : args
  return { tool_calls: [{ index: 0, id: 'a', function: { name: 'it', arguments: written } }] }
}

/** A call as a model writes it into its answer. */
function writtenCall(content: string): string {
  return `<tool_call>it\n<arg_key>content</arg_key>\n<arg_value>${content}</arg_value>\n</tool_call>`
}

/** A request of each dialect for the reply with long arguments, and for one that is not streamed. */
export function costlyDialects(models: readonly string[]): { name: string; path: string; body: object }[] {
  const content = JSON.stringify({ reply: costlyReplies.findIndex(({ name }) => name === argumentsReply) })
  const parameters = { type: 'object' }
  const asFunction = { type: 'function', name: 'it', parameters }
  const messages = [{ role: 'user', content }]
  return models
    .flatMap((model) => [
      { path: '/v1/chat/completions', body: { model, messages, tools: [{ type: 'function', function: asFunction }] } },
      { path: '/v1/responses', body: { model, input: messages, tools: [asFunction], stream: true } },
      { path: '/v1/responses', body: { model, input: messages, tools: [asFunction] } },
      {
        path: '/v1/messages',
        body: { model, max_tokens: 9, messages, tools: [{ name: 'it', input_schema: parameters }], stream: true },
      },
      {
        path: '/v1/messages',
        body: { model, max_tokens: 9, messages, tools: [{ name: 'it', input_schema: parameters }] },
      },
      ...['streamGenerateContent?alt=sse', 'generateContent'].map((verb) => ({
        path: `/v1beta/models/${model}:${verb}`,
        body: {
          contents: [{ role: 'user', parts: [{ text: content }] }],
          tools: [{ functionDeclarations: [{ name: 'it', parameters }] }],
        },
      })),
      ...[true, false].map((stream) => ({
        path: '/api/chat',
        body: { model, messages, stream, tools: [{ type: 'function', function: asFunction }] },
      })),
    ])
    .map(({ path, body }) => ({
      path,
      body,
      name: `${argumentsReply} to ${path}${'stream' in body && body.stream ? ', streamed' : ''}`,
    }))
}

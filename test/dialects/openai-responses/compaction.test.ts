import { afterAll, expect, test } from 'bun:test'
import OpenAI from 'openai'
import { type ChatRequest, textOf } from '../../../src/core/request.ts'
import { startGateway } from '../../support/gateway.ts'
import { plainModel, replyingWith } from '../../support/replies.ts'
import { finish, say, think, usage } from '../stream.ts'

const asked: ChatRequest[] = []
const upstream = replyingWith(() => [think('What matters?'), say('We named '), say('the ship Argo.'), usage, finish()])
const gateway = startGateway([
  {
    ...upstream,
    open(call) {
      asked.push(call.request)
      return upstream.open(call)
    },
  },
])
afterAll(() => gateway.stop())

const { responses } = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'k', maxRetries: 0 })
const model = plainModel.id
const conversation = [
  { role: 'user' as const, content: 'Name the ship.' },
  { type: 'function_call' as const, call_id: 'c', name: 'ask', arguments: '{}' },
  { type: 'function_call_output' as const, call_id: 'c', output: 'Argo' },
]
const tools = [{ type: 'function' as const, name: 'ask', parameters: {}, strict: false }]

/** What the upstream was told last. */
function told() {
  const { messages, toolChoice } = asked.at(-1) ?? { messages: [], toolChoice: undefined }
  const last = messages.at(-1)
  return { count: messages.length, toolChoice, last: last?.role === 'user' ? textOf(last.parts) : undefined }
}

test('a compacted conversation is the messages of the user and one item that stands for the rest', async () => {
  const compacted = await responses.compact({ model, input: conversation, instructions: 'Be brief.' })
  expect(compacted).toMatchObject({
    object: 'response.compaction',
    output: [
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Name the ship.' }] },
      { type: 'compaction', id: expect.stringMatching(/^cmp_/), encrypted_content: expect.any(String) },
    ],
    usage: { total_tokens: 42 },
  })
  expect(told().last).toContain('replaced by a summary')
  expect(JSON.stringify(compacted)).not.toContain('What matters?')
})

test('the model goes on from the summary', async () => {
  const { output } = await responses.compact({ model, input: conversation })
  // The types of the package for what it gets and what it sends differ, though it is the same list.
  const input = [...(output as OpenAI.Responses.ResponseInput), { role: 'user' as const, content: 'Which ship?' }]
  await responses.create({ model, input })
  const texts = asked.at(-1)?.messages.map((message) => ('parts' in message ? textOf(message.parts as never) : ''))
  expect(texts).toEqual([
    'Name the ship.',
    '[The conversation so far, summarised:]\n\nWe named the ship Argo.',
    'Which ship?',
  ])
})

test('an item that asks for it is answered with the item alone, streamed and whole', async () => {
  const input = [...conversation, { type: 'compaction_trigger' }] as OpenAI.Responses.ResponseInput
  const whole = await responses.create({ model, input, tools })
  expect(whole.output.filter(({ type }) => type !== 'reasoning')).toMatchObject([{ type: 'compaction' }])
  expect(told()).toMatchObject({ toolChoice: 'none', last: expect.stringContaining('replaced by a summary') })

  const events: OpenAI.Responses.ResponseStreamEvent[] = []
  for await (const event of await responses.create({ model, input, tools, stream: true })) events.push(event)
  const { encrypted_content } = whole.output.find(({ type }) => type === 'compaction') as { encrypted_content: string }
  expect(events.filter(({ type }) => /output_item|text/.test(type) && !/reasoning/.test(type)).slice(-2)).toMatchObject(
    [
      { type: 'response.output_item.added', item: { type: 'compaction' } },
      { type: 'response.output_item.done', item: { type: 'compaction', encrypted_content } },
    ],
  )
  expect(events.at(-1)).toMatchObject({ type: 'response.completed' })
})

test('it continues a stored response, and is not stored itself', async () => {
  const first = await responses.create({ model, input: 'Name the ship.' })
  const compacted = await responses.compact({ model, previous_response_id: first.id })
  expect(compacted.output.map(({ type }) => type)).toEqual(['message', 'compaction'])
  expect(await responses.retrieve(compacted.id).catch(({ status }) => status)).toBe(404)
})

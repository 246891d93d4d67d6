import { afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { until } from '../support/gateway.ts'
import type { Play } from '../support/raw-upstream.ts'
import type { chunkText } from '../support/zai-api.ts'
import {
  answering,
  closeAll,
  countPrompt,
  countText,
  house,
  messages,
  playing,
  promptTokens,
  reasoning,
  stops,
  usage,
  words,
} from './billing.ts'

afterEach(closeAll)

const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } }]
const json = {
  type: 'json_schema',
  json_schema: { name: 'x', schema: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] } },
}

beforeAll(countPrompt)

describe('where the usage never comes, what was written counts:', () => {
  test('reasoning that the client does not want, before a stop sequence', async () => {
    const thought = words(1_500)
    const said = [...words(5), 'END', ...words(20)]
    const { post, spent } = await house([playing([...reasoning(thought), ...answering(said)], 'goes on')])
    const reply = await post({ stream: true, stop: ['END'] }, { 'x-thinking-processing': 'strip' })
    expect(await reply.text()).toContain('"finish_reason":"stop"')
    const written = await spent()
    // What came behind the stop sequence in the same read may count or not.
    const least = promptTokens + countText(thought.join('')) + countText(said.slice(0, 6).join(''))
    expect(written).toBeGreaterThan(0.9 * least)
    expect(written).toBeLessThan(1.1 * (least + countText(words(20).join(''))))
  })

  const call = (text: string) => ({
    delta: { tool_calls: [{ index: 0, id: 'c', function: { name: 'look', arguments: text } }] },
  })
  const part = words(400).join('')
  test.each<[string, object, Parameters<typeof chunkText>[0][], string]>([
    ['a whole reply', {}, answering(words(400)), part],
    ['a whole reply with reasoning', {}, [...reasoning(words(400)), ...answering(words(9))], part + words(9).join('')],
    ['JSON', { stream: true, response_format: json }, answering(['{"a":"', ...words(400)]), `{"a":"${part}`],
    [
      'an answer where a call is required',
      { stream: true, tools, tool_choice: 'required' },
      answering(words(400)),
      part,
    ],
    ['a call', { tools }, [call('{"a":"'), ...words(400).map(call)], `look{"a":"${part}`],
    [
      'a call that is written as text',
      { stream: true, tools },
      answering(['Let me see. ', '<tool_call>look', '<arg_key>a</arg_key><arg_value>', ...words(400)]),
      `Let me see. <tool_call>look<arg_key>a</arg_key><arg_value>${part}`,
    ],
    ['a stream', { stream: true }, answering(words(400)), part],
  ])('%s, whose client leaves', async (_name, body, facts, text) => {
    const { post, calls, leave, spent } = await house([playing(facts, 'goes on')])
    let seen = ''
    const left = post(body)
      .then(async (reply) => {
        for await (const piece of reply.body ?? []) seen += Buffer.from(piece).toString()
      })
      .catch((error) => error.name)
    const isAllWritten = () => calls[0]?.usage()?.outputTokens === countText(text) || seen.includes('word399')
    await until(isAllWritten, 'all of it', 3_000)
    leave()
    expect(await left).toBe('AbortError')
    const { inputTokens = 0 } = calls[0]?.usage() ?? {}
    expect(inputTokens).toBeGreaterThanOrEqual(promptTokens)
    expect(await spent()).toBe(inputTokens + countText(text))
  })
})

describe('two calls of one request are both paid:', () => {
  test('an empty reply and the next one', async () => {
    const { post, spent, records } = await house([
      playing([stops(usage(100, 7))]),
      playing([...answering(['Hello']), stops(usage(100, 20))]),
    ])
    const { usage: told } = await (await post({})).json()
    expect(told).toMatchObject({ prompt_tokens: 100, completion_tokens: 20 })
    expect(await spent()).toBe(227)
    expect(records.at(-1)?.usage).toMatchObject({ inputTokens: 200, outputTokens: 27 })
  })

  test('a reply without the call that is required, and the next one', async () => {
    const delta = { tool_calls: [{ index: 0, id: 'c', function: { name: 'look', arguments: '{}' } }] }
    const { post, spent } = await house([
      playing([...answering(words(5)), stops(usage(100, 300))]),
      playing([{ delta }, { finish_reason: 'tool_calls', usage: usage(110, 20) }]),
    ])
    expect((await post({ tools, tool_choice: 'required' })).status).toBe(200)
    expect(await spent()).toBe(530)
  })

  test('a reply of reasoning alone, and the next one', async () => {
    const { post, spent } = await house([
      playing([...reasoning(words(5)), stops(usage(100, 300))]),
      playing([...answering(['Hello']), stops(usage(100, 20))]),
    ])
    const { usage: told } = await (await post({})).json()
    // The conversation has the prompt once.
    expect(told).toMatchObject({ prompt_tokens: 100, completion_tokens: 320 })
    expect(await spent()).toBe(520)
  })

  test('an answer that is not the JSON that was asked for, and the next one', async () => {
    const { post, spent } = await house([
      playing([...answering(['No.']), stops(usage(100, 300))]),
      playing([...answering(['{"a":"b"}']), stops(usage(200, 20))]),
    ])
    expect((await post({ response_format: json })).status).toBe(200)
    expect(await spent()).toBe(620)
  })

  test('one that breaks off before it says anything, and the next one', async () => {
    const { post, spent } = await house([
      playing([{ delta: {} }], 'breaks off'),
      playing([...answering(['Hello']), stops(usage(100, 20))]),
    ])
    expect((await post({})).status).toBe(200)
    expect(await spent()).toBe(promptTokens + 120)
  })
})

describe('vectors whose first request', () => {
  const input = messages.map(({ content }) => content)
  const reply = (status: string, body: object): Play => {
    const text = JSON.stringify(body)
    const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\nconnection: close\r\n`
    return async (line) => {
      await line.write(`${head}content-length: ${text.length}\r\n\r\n${text}`)
      line.close()
    }
  }
  const vectors = reply('200 OK', {
    ...{ object: 'list', data: [{ index: 0, embedding: [1] }] },
    usage: { prompt_tokens: 50, total_tokens: 50 },
  })

  test.each<[string, Play, boolean]>([
    ['breaks off are paid twice', (line) => line.close(), true],
    ['has an answer that is none are paid twice', reply('200 OK', { data: [] }), true],
    ['is refused are paid once', reply('500 Internal Server Error', { error: { message: 'no' } }), false],
  ])('%s', async (_name, first, isPaidTwice) => {
    const { post, spent, upstream } = await house([first, vectors], { route: 'POST /api/paas/v4/embeddings' })
    const { status } = await post({ model: 'embedding-3', input, messages: undefined }, {}, '/v1/embeddings')
    expect([status, upstream.asked()]).toEqual([200, 2])
    expect(await spent()).toBe(50 + (isPaidTwice ? countText(input.join()) : 0))
  })
})

test('a second call that the budget does not pay is not made', async () => {
  const plays = [playing([stops(usage(100, 4_800))]), playing([...answering(['Hello']), stops(usage(20, 5))])]
  const { post, spent, upstream, records } = await house(plays, { key: { budget: 'tokens:5k/day' } })
  const refused = await post({})
  expect([refused.status, (await refused.json()).error.code]).toEqual([402, 'budget_used_up'])
  expect([await spent(), upstream.asked()]).toEqual([4_900, 1])
  // The upstream and its key are as good as before.
  expect(records.at(-1)?.notes.filter((note) => /key 1|resting/.test(note))).toEqual([])
  expect((await post({ max_tokens: 10 })).status).toBe(200)
})

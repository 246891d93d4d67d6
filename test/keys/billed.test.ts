import { afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { createServer } from 'node:net'
import { systemClock } from '../../src/async/system-clock.ts'
import type { MeteredCall } from '../../src/core/call-meter.ts'
import { openSqlite } from '../../src/database/sqlite.ts'
import { dialects } from '../../src/dialects/index.ts'
import { losslessFetch } from '../../src/http-client/lossless-fetch.ts'
import { openKeys } from '../../src/keys/open-keys.ts'
import { modelTable } from '../../src/models/table.ts'
import type { RequestRecord } from '../../src/observe/record.ts'
import { createCounter } from '../../src/tokens/request-counter.ts'
import { loadVocabulary } from '../../src/tokens/vocabulary.ts'
import { apiUpstream } from '../support/api-upstream.ts'
import { startGateway, until } from '../support/gateway.ts'
import { chunk, type Line, lastChunk, type Play, startRawUpstream, streamHead } from '../support/raw-upstream.ts'
import { chatRoute, chunkText, scriptedApi } from '../support/zai-api.ts'

// Whatever becomes of a reply on its way to the client, its key pays for what the upstream has billed.

const table = modelTable()
const key = 'key-1'
const messages = [{ role: 'user', content: 'Tell me all about the lighthouses of Riga, please.' }]
let countText: (text: string) => number
let promptTokens: number

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

interface HouseOptions {
  origin?: string
  key?: object
  route?: string
}

/** A gateway with one client key, in front of an upstream that plays these, one for each request. */
async function house(plays: Play[], { origin, key: more = {}, route = chatRoute }: HouseOptions = {}) {
  const upstream = await startRawUpstream({ route, others: scriptedApi([key]).fetch })
  const left = [...plays]
  upstream.play((line) => left.shift()?.(line))
  const database = openSqlite({ path: ':memory:', clock: systemClock, warn: () => {} })
  const warnings: string[] = []
  const served = await openKeys({
    ...{
      database,
      clock: systemClock,
      dialects: dialects.map(({ id }) => id),
      upstreams: () => ['demo'],
      table: () => table,
    },
    random: (bytes) => crypto.getRandomValues(bytes),
    policy: () => ({}),
    warn: (message, cause) => void warnings.push(`${message}: ${cause}`),
    info: () => {},
  })
  const records: RequestRecord[] = []
  const calls: Pick<MeteredCall, 'usage'>[] = []
  const fetchUpstream = losslessFetch(fetch, async () => [{ address: '127.0.0.1' }])
  const zai = apiUpstream({ origin: origin ?? upstream.origin, key, fetch: fetchUpstream, idleMs: 5_000 })
  const gateway = startGateway([zai], {
    access: { openaiKey: 'sk-operator' },
    keys: {
      ...served,
      ledger: {
        ...served.ledger,
        spendingOf(record) {
          const spending = served.ledger.spendingOf(record)
          return (
            spending && {
              reserve(call) {
                calls.push(call.meter)
                return spending.reserve(call)
              },
            }
          )
        },
      },
    },
    trace: (record) => records.push(record),
  })
  closing.push(async () => {
    await gateway.stop()
    await served.close()
    await database.close()
    upstream.stop()
    expect(warnings).toEqual([])
  })
  const { secret } = await served.keys.create({ name: 'a', budget: 'tokens:500k/day', ...more })
  const leaving = new AbortController()
  const post = (body: object, headers: Record<string, string> = {}, path = '/v1/chat/completions') =>
    fetch(gateway.url + path, {
      ...{ method: 'POST', signal: leaving.signal },
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: 'glm-4.7', messages, ...body }),
    })
  return {
    post,
    calls,
    records,
    upstream,
    leave: () => leaving.abort(),
    /** Once every request is settled. */
    async spent() {
      const budget = async () => (await served.keys.show('a')).budgets[0] ?? { spent: -1, reserved: -1 }
      while ((await budget()).reserved !== 0) await new Promise((resolve) => setImmediate(resolve))
      return (await budget()).spent
    },
  }
}

const sse = (facts: Parameters<typeof chunkText>[0]) => chunk(`data: ${chunkText(facts)}\n\n`)
const begins = (line: Line) => line.write(streamHead('transfer-encoding: chunked'))

/** Plays a reply to its end, or in part and then nothing more. */
function playing(facts: Parameters<typeof chunkText>[0][], ending: 'ends' | 'goes on' | 'breaks off' = 'ends'): Play {
  return async (line) => {
    await begins(line)
    for (const fact of facts) await line.write(sse(fact))
    if (ending === 'goes on') return
    if (ending === 'ends') await line.write(chunk('data: [DONE]\n\n') + lastChunk)
    line.close()
  }
}

const usage = (prompt_tokens: number, completion_tokens: number) => ({ prompt_tokens, completion_tokens })
const stops = (counts?: object) => ({ finish_reason: 'stop', ...(counts ? { usage: counts } : {}) })
const words = (n: number, from = 0) => Array.from({ length: n }, (_, at) => `word${from + at} `)
const answering = (texts: string[]) => texts.map((content) => ({ delta: { content } }))
const reasoning = (texts: string[]) => texts.map((reasoning_content) => ({ delta: { reasoning_content } }))
const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } }]
const json = {
  type: 'json_schema',
  json_schema: { name: 'x', schema: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] } },
}

beforeAll(async () => {
  countText = createCounter(await loadVocabulary()).countText
  const { post } = await house([])
  promptTokens = (await (await post({ max_tokens: 9 }, {}, '/v1/messages/count_tokens')).json()).input_tokens
  for (const close of closing.splice(0).reverse()) await close()
})

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

describe('a call', () => {
  test('that is refused costs nothing', async () => {
    const { post, spent, records } = await house([
      async (line) => {
        const body = JSON.stringify({ error: { code: '1214', message: 'no' } })
        await line.write(
          `HTTP/1.1 400 Bad\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
        )
        line.close()
      },
    ])
    expect((await post({})).status).toBe(400)
    expect(await spent()).toBe(0)
    expect(records.at(-1)?.usage).toBeUndefined()
  })

  test('that is refused in its stream costs nothing', async () => {
    const error = chunk(`data: ${JSON.stringify({ error: { code: '1214', message: 'no' } })}\n\n`) + lastChunk
    const { post, spent } = await house([
      async (line) => {
        await begins(line)
        await line.write(error)
        line.close()
      },
    ])
    expect((await post({})).status).toBe(400)
    expect(await spent()).toBe(0)
  })

  test('whose client leaves before it is connected costs nothing', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    closing.push(() => silent.close())
    const address = silent.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    let connected = 0
    silent.on('connection', (socket) => {
      connected++
      socket.on('error', () => {})
      closing.push(() => socket.destroy())
    })
    // Nobody answers the handshake, so the request is never sent.
    const { post, leave, spent } = await house([], { origin: `https://127.0.0.1:${address.port}` })
    const left = post({}).catch((error) => error.name)
    await until(() => connected > 0, 'a connection')
    leave()
    expect(await left).toBe('AbortError')
    expect(await spent()).toBe(0)
  })

  test('whose client leaves before it is answered has had its prompt read', async () => {
    const { post, upstream, leave, spent } = await house([() => {}])
    const left = post({}).catch((error) => error.name)
    await until(() => upstream.asked() > 0, 'the request')
    leave()
    expect(await left).toBe('AbortError')
    expect(await spent()).toBe(promptTokens)
  })

  test('that reports its usage in the middle and then breaks off costs that and what came behind it', async () => {
    const { post, spent } = await house([
      playing(
        [...answering(words(100)), { delta: {}, usage: usage(100, 250) }, ...answering(words(50, 100))],
        'breaks off',
      ),
    ])
    expect(await (await post({ stream: true })).text()).toContain('upstream_truncated')
    expect(await spent()).toBe(350 + countText(words(50, 100).join('')))
  })

  test('counts against the tokens of a minute as it was billed', async () => {
    const { post, spent } = await house([playing([...reasoning(words(300)), ...answering(['END'])], 'goes on')], {
      key: { tpm: 500 },
    })
    const headers = { 'x-thinking-processing': 'strip' }
    await (await post({ stream: true, stop: ['END'] }, headers)).text()
    expect(await spent()).toBeGreaterThan(500)
    expect((await post({})).status).toBe(429)
  })
})

describe('a file by URL, whose length nobody knows beforehand,', () => {
  const url = 'https://example.com/a.pdf'
  const body = {
    model: 'glm-4.6v',
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Hi' },
          { type: 'file_url', file_url: { url } },
        ],
      },
    ],
  }
  const context = table.of('glm-4.6v').contextTokens ?? 0

  test('costs what it had', async () => {
    const { post, spent } = await house([playing([...answering(['Hello']), stops(usage(90_000, 20))])])
    expect((await post(body)).status).toBe(200)
    expect(await spent()).toBe(90_020)
  })

  test('is refused where the budget does not pay for the longest, and that is said', async () => {
    const { post, spent, upstream } = await house([], { key: { budget: 'tokens:50k/day' } })
    const refused = await post(body)
    expect(refused.status).toBe(402)
    expect((await refused.json()).error.message).toContain(
      `so ${context.toLocaleString('en-US')} tokens have to be free`,
    )
    expect([await spent(), upstream.asked()]).toEqual([0, 0])
  })

  test('costs the longest if the client leaves before its usage comes', async () => {
    const { post, spent, leave } = await house([playing(answering(['Hello']), 'goes on')])
    const reply = await post({ ...body, stream: true })
    await reply.body?.getReader().read()
    leave()
    expect(await spent()).toBe(context + countText('Hello'))
  })
})

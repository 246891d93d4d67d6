import { afterEach, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { systemClock } from '../../src/async/system-clock.ts'
import { zaiApi } from '../../src/upstreams/zai-api/index.ts'
import { zaiWeb } from '../../src/upstreams/zai-web/index.ts'
import { chatZai, errorFrame, eventStream, webDefaults } from '../support/chat-zai.ts'
import { type RunningGateway, startGateway } from '../support/gateway.ts'
import { lending } from '../support/pool.ts'
import { chatRoute, chunkText, refusal, type ScriptedApi, scriptedApi } from '../support/zai-api.ts'

// Clients on sockets, the real gateway and its queue, and a scripted Z.AI that says no.

const running: RunningGateway[] = []
afterEach(async () => {
  for (const gateway of running.splice(0)) await gateway.stop()
})

const edge = { newUuid: () => crypto.randomUUID(), log: () => {}, clock: systemClock }

function officialApi(api: ScriptedApi, keys: string[]) {
  return zaiApi(
    {
      keys,
      baseUrl: 'https://api.z.ai/api/paas/v4',
      idleMs: 5_000,
      headersTimeoutMs: 5_000,
      modelsTtlMs: 600_000,
      scanLimit: 200_000,
      tools: true,
    },
    { ...edge, ...lending<string>(systemClock), fetch: api.fetch },
  )
}

function webChat(site = chatZai()) {
  return zaiWeb(
    { ...webDefaults, tokens: [site.addAccount('Alice')], anonymous: false, idleMs: 5_000, headersTimeoutMs: 5_000 },
    { ...edge, ...lending(systemClock), fetch: site.fetch },
  )
}

function start(...upstreams: Parameters<typeof startGateway>[0]): RunningGateway {
  const gateway = startGateway(upstreams, { keepAliveMs: 20 })
  running.push(gateway)
  return gateway
}

function ask(gateway: RunningGateway, stream = false): Promise<Response> {
  return fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'glm-4.7', stream, messages: [{ role: 'user', content: 'Hello' }] }),
  })
}

/** Two at a time, each for some turns of the event loop; whoever comes besides is refused by `refuse`. */
function twoAtATime(refuse: () => Response, text: () => string) {
  const room = { taken: 0, most: 0, refused: 0 }
  const answer = (): Response => {
    if (room.taken === 2) {
      room.refused++
      return refuse()
    }
    room.most = Math.max(room.most, ++room.taken)
    return eventStream(
      new ReadableStream<Uint8Array>({
        async pull(controller) {
          for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
          controller.enqueue(new TextEncoder().encode(text()))
          room.taken--
          controller.close()
        },
      }),
    )
  }
  return { room, answer }
}

test('twenty clients of one key that allows two at a time all get their answer', async () => {
  const { room, answer } = twoAtATime(
    () => refusal(429, '1302', 'High concurrency usage of this API'),
    () => `data: ${chunkText({ delta: { content: 'Hi there.' }, finish_reason: 'stop' })}\n\n`,
  )
  const gateway = start(officialApi(scriptedApi(['key-1'], answer), ['key-1']))
  const replies = await Promise.all(Array.from({ length: 20 }, (_, index) => ask(gateway, index % 2 === 0)))
  expect(replies.map(({ status }) => status)).toEqual(Array(20).fill(200))
  for (const reply of replies) expect(await reply.text()).toContain('Hi there.')
  expect(room.most).toBe(2)
  // Eight may go out before anything is known.
  expect(room.refused).toBeWithin(1, 13)
})

test('what the first upstream cannot do for want of money the second does', async () => {
  const api = scriptedApi(['key-1', 'key-2'])
  for (const key of ['key-1', 'key-2']) api.refuse(key, () => refusal(429, '1113', 'Insufficient balance'))
  const gateway = start(officialApi(api, ['key-1', 'key-2']), webChat())
  for (const stream of [false, true]) {
    const reply = await ask(gateway, stream)
    expect([reply.status, reply.headers.get('x-zai2api-upstream')]).toEqual([200, 'zai-web'])
    await reply.text()
  }
  // Each key once: the second request does not ask those that were refused.
  expect(api.to(chatRoute).map(({ key }) => key)).toEqual(['key-1', 'key-2'])
  expect(gateway.lines.join()).toContain('zai-api: insufficient_quota; going on with zai-web')
})

test('a used-up plan is 402 with the time of its reset, and the page of readiness says so', async () => {
  const api = scriptedApi(['key-1'])
  const resetsAt = new Date(Date.now() + 9 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ')
  api.refuse('key-1', () => refusal(429, '1308', `Usage limit reached for 5 hour. It will reset at ${resetsAt}`))
  const gateway = start(officialApi(api, ['key-1']))
  for (let turn = 0; turn < 2; turn++) {
    const reply = await ask(gateway)
    expect(reply.status).toBe(402)
    expect(Math.abs(Number(reply.headers.get('retry-after')) - 3_600)).toBeLessThan(5)
  }
  expect(api.to(chatRoute)).toHaveLength(1)
  const ready = await fetch(`${gateway.url}/readyz`)
  expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('usage_limit_reached')])
})

test('chats beyond what an account allows wait for the others', async () => {
  const frame = (data: object) => `data: ${JSON.stringify({ type: 'chat:completion', data })}\n\n`
  const { room, answer } = twoAtATime(
    () => errorFrame({ code: 'MODEL_CONCURRENCY_LIMIT', detail: 'too many concurrent conversations' }),
    () => frame({ delta_content: 'Hi there.', phase: 'answer' }) + frame({ done: true, phase: 'done' }),
  )
  const site = chatZai()
  site.script('POST /api/v2/chat/completions', ...Array.from({ length: 60 }, () => answer))
  const gateway = start(webChat(site))
  const replies = await Promise.all(Array.from({ length: 10 }, () => ask(gateway)))
  expect(replies.map(({ status }) => status)).toEqual(Array(10).fill(200))
  expect(room.most).toBe(2)
})

test('a client that stops reading for a while holds Z.AI back, and then gets every word in its place', async () => {
  const words = 6_000
  const word = (number: number) => `word ${String(number).padStart(6, '0')} ${'字'.repeat(1_500)}`
  let sent = 0
  const speech = () =>
    eventStream(
      new ReadableStream<Uint8Array>({
        async pull(controller) {
          // Its own turn of the event loop, as a network read would have.
          await new Promise((resolve) => setImmediate(resolve))
          const from = sent
          for (; sent < Math.min(from + 8, words); sent++)
            controller.enqueue(Buffer.from(`data: ${chunkText({ delta: { content: word(sent) } })}\n\n`))
          if (sent < words) return
          controller.enqueue(Buffer.from(`data: ${chunkText({ finish_reason: 'stop' })}\n\ndata: [DONE]\n\n`))
          controller.close()
        },
      }),
    )
  const gateway = start(officialApi(scriptedApi(['key-1'], speech), ['key-1']))
  const { hostname, port } = new URL(gateway.url)
  const client = connect(Number(port), hostname)
  const pieces: Buffer[] = []
  const paused = Promise.withResolvers<void>()
  const pauseAtFirstWord = () => {
    if (!Buffer.concat(pieces).includes('word 000000')) return
    client.off('data', pauseAtFirstWord)
    client.pause()
    paused.resolve()
  }
  client.on('data', (piece: Buffer) => pieces.push(piece))
  client.on('data', pauseAtFirstWord)
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
  const body = JSON.stringify({ model: 'glm-4.7', stream: true, messages: [{ role: 'user', content: 'Hello' }] })
  client.write(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:8080\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
  await paused.promise
  await quiet(() => sent)
  expect(sent).toBeLessThan(words / 2)
  client.resume()
  await closed
  const received = Buffer.concat(pieces)
    .toString()
    .matchAll(/"content":"word (\d{6}) 字{1500}"/g)
  expect([...received].map(([, number]) => Number(number))).toEqual(
    Array.from({ length: words }, (_, number) => number),
  )
}, 60_000)

/** Until a number has not changed for a thousand turns of the event loop. */
async function quiet(value: () => number): Promise<void> {
  for (let known = value(), turns = 0; turns < 1_000; turns++) {
    await new Promise((resolve) => setImmediate(resolve))
    if (value() !== known) turns = 0
    known = value()
  }
}

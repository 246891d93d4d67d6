import { expect, test } from 'bun:test'
import { compose } from '../../../src/compose.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import { upstreamKinds } from '../../../src/upstreams/index.ts'
import { manualClock } from '../../support/clock.ts'
import { until } from '../../support/gateway.ts'
import { lending } from '../../support/pool.ts'
import { answer, chatRoute, refusal, scriptedApi } from '../../support/zai-api.ts'

const room = 5
const calls = 60
const inTurn = Array.from({ length: calls }, (_, index) => index + 1)

/**
 * Many calls at one instant for a credential that nothing is known of, and an upstream with room for five of them at a
 * time. An answer takes `answerMs`; a refusal takes what `refusalMs` says of the nth.
 */
async function burst(answerMs: number, refusalMs: (nth: number) => number) {
  const clock = manualClock()
  const passed = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve))
  const { pool } = lending<string>(clock, { queueLimit: 10, queueMs: 120_000 }, Number.POSITIVE_INFINITY)
  pool.setMembers([{ id: 'key 1', secret: 'a', rank: 0, create: () => 'a' }])
  const answered: number[] = []
  let running = 0
  let refusals = 0

  const run = async (number: number) => {
    const signal = new AbortController().signal
    const noneAccepts = () => new GatewayError('upstream-auth', 'no key')
    const turn = pool.ticket({
      model: 'glm-4.7',
      caller: 'key',
      accepts: () => true,
      signal,
      noneAccepts,
      annotate: () => {},
    })
    for (;;) {
      const lease = await turn.lease()
      if (running === room) {
        await passed(refusalMs(refusals++))
        lease.reportFailure('concurrency-limited', new GatewayError('rate-limited', 'concurrency-limited'))
        continue
      }
      running++
      answered.push(number)
      await passed(answerMs / 2)
      lease.reportSuccess()
      await passed(answerMs / 2)
      running--
      return lease.release()
    }
  }

  let isOver = false
  const all = Promise.all(inTurn.map(run)).finally(() => {
    isOver = true
  })
  for (let ms = 0; !isOver && ms < 60_000; ms++) {
    for (let round = 0; round < 20; round++) await Promise.resolve()
    clock.advance(1)
  }
  await all
  return { answered, refusals, limit: pool.snapshot().credentials[0]?.limits['glm-4.7'] }
}

test('a burst settles at what the upstream takes: nobody is refused twice, and all are answered in turn', async () => {
  expect(await burst(400, () => 20)).toEqual({ answered: inTurn, refusals: calls - room, limit: room })
})

test.each([
  ['trickle in while answers run', 400, (nth: number) => 5 + ((nth * 37) % 100)],
  ['come while answers end', 40, (nth: number) => 5 + ((nth * 37) % 100)],
  ['come when most answers are over', 10, (nth: number) => 5 + ((nth * 37) % 200)],
])('no refusal brings another where they %s', async (_name, answerMs, refusalMs) => {
  const { answered, refusals, limit } = await burst(answerMs, refusalMs)
  expect(answered.toSorted((left, right) => left - right)).toEqual(inTurn)
  expect(refusals).toBeLessThanOrEqual(calls)
  expect(limit).toBeLessThanOrEqual(room)
})

test('a key is tried without a limit: sixty requests at once are asked at once, and all are answered', async () => {
  const api = scriptedApi()
  const everybodyAsked = Promise.withResolvers<void>()
  let asked = 0
  let running = 0
  const five = async () => {
    if (++asked === calls) everybodyAsked.resolve()
    const isFull = running === room
    if (!isFull) running++
    // The way there takes longer than all of them need to set out, and an answer longer than the refusals.
    await everybodyAsked.promise
    if (isFull) return refusal(429, '1302', 'Rate limit reached')
    await until(() => asked > calls || waiting() === calls - room, 'all refused calls wait')
    running--
    return answer('Hello')
  }
  api.script(chatRoute, ...Array.from({ length: 2 * calls }, () => five))
  const env = { ZAI_API_KEY: 'key-1', LOG_LEVEL: 'off', METRICS: 'off', QUEUE_LIMIT: '0' }
  const { config } = loadConfig(new Map(), { env, cwd: '/nowhere', readFile: () => undefined }, upstreamKinds)
  const { app, gateway, close } = await compose(config, 'test', { write() {} }, { fetch: api.fetch })
  const waiting = () => gateway.gauges()['zai-api']?.queued
  const body = JSON.stringify({ model: 'glm-4.7', messages: [{ role: 'user', content: 'Hi' }] })
  const ask = async () => {
    const headers = { 'content-type': 'application/json' }
    const reply = await app.handle(
      new Request('http://localhost/v1/chat/completions', { method: 'POST', headers, body }),
    )
    return [reply.status, await reply.text()]
  }
  const replies = await Promise.all(inTurn.map(ask))
  expect(replies.map(([status]) => status)).toEqual(inTurn.map(() => 200))
  expect(asked).toBeLessThanOrEqual(2 * calls)
  await close()
})

import { expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Glob } from 'bun'
import { readBatch } from '../../src/core/batch-stream.ts'
import type { Delta } from '../../src/core/events.ts'
import { readJson } from '../../src/http/body.ts'
import { localCaller, policyOf } from '../../src/http/client-keys.ts'
import { createLimits } from '../../src/http/limits.ts'
import { cachedLookup } from '../../src/http-client/dns.ts'
import { elapsedMs, openRecord } from '../../src/observe/record.ts'
import { createResponseStore } from '../../src/store/responses.ts'
import { sseDeltas } from '../../src/wire/event-stream.ts'
import { eventStream } from '../support/chat-zai.ts'
import { manualClock } from '../support/clock.ts'
import { until } from '../support/gateway.ts'
import { chatRoute, chunkText, scriptedApi } from '../support/zai-api.ts'

// Time servers set a machine's date back or forward while it serves; nothing waits longer or shorter for it.
const tenMinutes = 600_000
const shifts: [string, number][] = [
  ['set back', -tenMinutes],
  ['set forward', tenMinutes],
]

test.each(shifts)('a rate limit refills as fast when the date is %s', (_how, shift) => {
  const clock = manualClock()
  const limits = createLimits({ maxConcurrent: 10, maxMessages: 10 }, clock)
  const caller = localCaller(policyOf({ rateLimitRpm: 1, rateLimitTpm: 0 }))
  const spend = () => limits.charge({ ...openRecord('req', 'POST', '/v1/messages', clock), caller })
  spend()
  clock.setDate(clock.now() + shift)
  clock.advance(30_000)
  expect(spend).toThrow('There are more in 30 s.')
  clock.advance(30_000)
  expect(spend).not.toThrow()
})

test.each(shifts)('a silent upstream is given up after as long when the date is %s', async (_how, shift) => {
  const clock = manualClock()
  const body = new ReadableStream<Uint8Array>({})
  const decoder = { push() {}, end: () => {} }
  const source = sseDeltas(body, {
    label: 'home',
    decoder,
    clock,
    signal: new AbortController().signal,
    idleMs: 60_000,
  })
  let batch: Delta[] | undefined
  const first = readBatch(source).then((deltas) => {
    batch = deltas
  })
  clock.setDate(clock.now() + shift)
  clock.advance(59_000)
  await Promise.resolve()
  expect(batch).toBeUndefined()
  clock.advance(1_000)
  await first
  expect(batch).toMatchObject([{ type: 'error', error: { kind: 'timeout' } }])
})

test.each(shifts)('a body has as long to arrive when the date is %s', async (_how, shift) => {
  const clock = manualClock()
  const body = new ReadableStream<Uint8Array>({})
  const request = new Request('http://localhost/', { method: 'POST', body })
  let refusal: unknown
  const reading = readJson(request, { maxBytes: 1_000, timeoutMs: 10_000, clock }).catch((thrown) => {
    refusal = thrown
  })
  clock.setDate(clock.now() + shift)
  clock.advance(9_000)
  await Promise.resolve()
  expect(refusal).toBeUndefined()
  clock.advance(1_000)
  await reading
  expect(refusal).toMatchObject({ code: 'request_body_timeout' })
})

test.each(shifts)('a name that was looked up is kept as long when the date is %s', async (_how, shift) => {
  const clock = manualClock()
  let lookups = 0
  const lookup = cachedLookup(async () => {
    lookups++
    return [{ address: '192.0.2.1' }]
  }, clock)
  await lookup('api.example')
  clock.setDate(clock.now() + shift)
  await lookup('api.example')
  expect(lookups).toBe(1)
  clock.advance(tenMinutes)
  await lookup('api.example')
  expect(lookups).toBe(2)
})

test.each(shifts)('a request takes as long when the date is %s', (_how, shift) => {
  const clock = manualClock()
  const record = openRecord('req', 'POST', '/x', clock)
  clock.setDate(clock.now() + shift)
  clock.advance(40)
  expect(elapsedMs(record, clock)).toBe(40)
})

test.each(shifts)('replies are kept as long, and the oldest goes first, when the date is %s', async (_how, shift) => {
  const clock = manualClock()
  const replies = createResponseStore({
    ...{ path: ':memory:', maxBytes: 1_000_000, maxRows: 2, maxAgeMs: 2 * tenMinutes },
    ...{ now: clock.now, warn: () => {} },
  })
  const put = (id: string) => replies.put('ann', { id, reply: { id }, input: [] })
  await put('first')
  await put('second')
  clock.setDate(clock.now() + shift)
  await put('third')
  const found = await Promise.all(['first', 'second', 'third'].map((id) => replies.get('ann', id)))
  expect(found.map((response) => response?.id)).toEqual([undefined, 'second', 'third'])
})

test.skipIf(process.platform === 'win32').each([
  ['set back by ten minutes', -tenMinutes],
  ['set forward by a year', 365 * 24 * 6 * tenMinutes],
])(
  'the real program: its date is %s while it serves',
  async (_how, shift) => {
    const folder = mkdtempSync(join(tmpdir(), 'zai2api-durations-'))
    const api = scriptedApi(['the-key'])
    const upstream = api.listen()
    // Sets the date of the program as a time server would; the clock for durations is not its business.
    const preload = join(folder, 'date.ts')
    writeFileSync(
      preload,
      `const { now } = Date; let shift = 0; Date.now = () => now() + shift; process.on('SIGUSR2', () => { shift = ${shift} })`,
    )
    const main = join(import.meta.dir, '../../src/main.ts')
    const child = Bun.spawn([process.execPath, '--no-env-file', '--preload', preload, main, 'serve', '--port', '0'], {
      cwd: folder,
      env: {
        ...{ PATH: process.env.PATH ?? '', HOME: folder, ZAI_API_KEY: 'the-key', ZAI_API_BASE: upstream.baseUrl },
        ...{ KEEPALIVE_MS: '200', UPSTREAM_IDLE_MS: '1500', RATE_LIMIT_RPM: '30' },
      },
      stdout: 'pipe',
      stderr: Bun.file(join(folder, 'log')),
    })
    try {
      const url = /http:\/\/[\d.]+:\d+/.exec(await firstLine(child.stdout))?.[0] ?? ''
      const post = (path: string, body: object) =>
        fetch(url + path, { method: 'POST', body: JSON.stringify({ model: 'glm-4.6', ...body }) })
      const chat = { messages: [{ role: 'user', content: 'Hello' }], stream: true }
      const before = await (await post('/v1/responses', { input: 'Hello' })).json()
      // A call that is silent, and one that waits for its key, while the date changes.
      const word = `data: ${chunkText({ delta: { content: 'A beginning, and then nothing.' } })}\n\n`
      api.script(chatRoute, () => eventStream(new ReadableStream({ start: (opened) => opened.enqueue(word) })))
      const silent = post('/v1/chat/completions', chat)
      await until(() => api.to(chatRoute).length === 2, 'the silent call')
      const tooMany = { error: { code: '1302', message: 'Too many requests' } }
      api.script(chatRoute, () => Response.json(tooMany, { status: 429, headers: { 'retry-after': '1' } }))
      const waiting = post('/v1/chat/completions', chat)
      await until(() => api.to(chatRoute).length === 3, 'the call that is refused')
      child.kill('SIGUSR2')

      expect(await (await waiting).text()).toEndWith('data: [DONE]\n\n')
      const text = await (await silent).text()
      expect(text.match(/^: /gm)?.length).toBeGreaterThan(2)
      expect(text).toContain('"code":"upstream_idle"')
      // The date is another one now, and all goes on: the line of the log says so.
      const previous: unknown = Reflect.get(Object(before), 'id')
      expect((await post('/v1/responses', { input: 'And?', previous_response_id: previous })).status).toBe(200)
      const statuses: number[] = []
      for (let call = 0; call < 40; call++) statuses.push((await post('/v1/chat/completions', chat)).status)
      expect(statuses.slice(0, 20)).toEqual(statuses.slice(0, 20).map(() => 200))
      expect(statuses).toContain(429)
      const refused = await post('/v1/chat/completions', chat)
      expect(Number(refused.headers.get('retry-after'))).toBeLessThan(5)
      child.kill('SIGTERM')
      expect(await child.exited).toBe(0)
      const years = [...(await Bun.file(join(folder, 'log')).text()).matchAll(/^(?:\S*?)(\d{4}-\d\d-\d\d \d\d:\d\d)/gm)]
      const minutes = years.map(([, date]) => Date.parse(`${date}Z`) / 60_000)
      expect(Math.abs((minutes.at(-1) ?? 0) - (minutes[0] ?? 0))).toBeGreaterThan(5)
    } finally {
      child.kill('SIGKILL')
      await child.exited
      upstream.stop()
      rmSync(folder, { recursive: true })
    }
  },
  60_000,
)

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const piece of stream) {
    text += decoder.decode(piece, { stream: true })
    if (text.includes('\n')) break
  }
  return text
}

/** What needs a date, each with the reason. A duration that is counted in dates is a stall waiting for a time server. */
const datesIn: Record<string, string> = {
  'admin/operator-context.ts': 'the page shows since when the program runs',
  'admin/quotas.ts': 'the page shows when a quota was read',
  'admin/routes/agent-sessions.ts': 'the sessions of a week, unless others are asked for',
  'admin/routes/now.ts': 'the page shows when something began',
  'admin/routes/usage.ts': 'usage is asked for up to now',
  'admin/upstream-views.ts': 'the page shows when a rest ends',
  'cli/commands/doctor/network.ts': 'compares the clock of this machine with that of the site',
  'cli/commands/quota.ts': 'the quota is reset at a date',
  'composition/observers.ts': 'log lines carry dates',
  'composition/storage.ts': 'replies in a file carry dates',
  'database/shared-clock.ts': 'the dates of several machines are compared with that of their database',
  'database/sqlite-file.ts': 'a damaged file is named by the date',
  'gateway/credential-pool/control.ts': 'the operator reads when something changed',
  'gateway/credential-pool/cooldowns.ts': 'a refusal names the date of its end',
  'gateway/credential-pool/limit-share-validity.ts': 'a machine that slept has lost its shares meanwhile',
  'gateway/credential-pool/outcomes.ts': 'a refusal names the date of its end',
  'gateway/credential-pool/shared-cooldowns.ts': 'a refusal names the date of its end',
  'http/active-batches.ts': 'a batch that outlives a process expires at a date',
  'http/conversations.ts': 'conversations carry the date they were begun',
  'http/replies-elsewhere.ts': 'a reply in the background that was begun long ago has failed, whoever wrote it',
  'http/reply-routes.ts': 'replies carry the date they were made',
  'keys/ledger.ts': 'budgets are for days and months, and reservations outlive a process',
  'keys/open-keys.ts': 'keys are made at a date, and their windows are those of a calendar',
  'keys/registry.ts': 'a key expires at a date',
  'keys/reservation-upkeep.ts': 'reservations outlive a process',
  'observe/capture-files.ts': 'files carry the date they were written',
  'observe/capture-mode.ts': 'a page shows when capturing ends',
  'observe/record.ts': 'traces carry the date of their start',
  'store/journal.ts': 'what the database may have forgotten is not counted again',
  'store/late-cost-writer.ts': 'the database says until when it remembers what it has counted',
  'store/request-log.ts': 'the database says since when it remembers what was stored',
  'store/request-retention.ts': 'rows are deleted by the date they came',
  'upstreams/chat-completions/embeddings.ts': 'an error names the date of its end',
  'upstreams/chat-completions/index.ts': 'an error names the date of its end',
  'upstreams/chat-completions/open.ts': 'an error names the date of its end',
  'upstreams/zai-api/doctor.ts': 'an error names the date of its end',
  'upstreams/zai-api/quota.ts': 'an error names the date of its end',
  'upstreams/zai-web/complete.ts': 'requests are signed with their date',
  'upstreams/zai-web/open.ts': 'the model is told the date',
}

test('dates are asked for only where a date is meant', () => {
  const asking = [...new Glob('**/*.ts').scanSync('src')].filter((file) =>
    /\bclock\.now\b/.test(readFileSync(`src/${file}`, 'utf8')),
  )
  expect(asking.toSorted()).toEqual(Object.keys(datesIn))
})

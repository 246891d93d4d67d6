import { describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import type { Caller, CallerPolicy } from '../../src/core/caller.ts'
import type { Clock } from '../../src/core/clock.ts'
import type { SharedAllowances } from '../../src/core/shared-allowances.ts'
import { DatabaseError } from '../../src/database/errors.ts'
import { openPostgres } from '../../src/database/postgres.ts'
import { createLimits } from '../../src/http/limits.ts'
import { sharedCharges } from '../../src/http/shared-charges.ts'
import { openRecord, type RequestRecord } from '../../src/observe/record.ts'
import { databaseAllowances } from '../../src/store/allowances.ts'
import { liveGateways } from '../../src/store/live-gateways.ts'
import { eventually } from '../support/eventually.ts'
import { until } from '../support/gateway.ts'
import { noPostgres } from '../support/postgres.ts'
import { usePostgres } from '../support/use-postgres.ts'

// Several gateways on one database, and a key whose limits they keep together.

describe.skipIf(noPostgres !== undefined)('gateways that share the limits of a key', () => {
  const postgres = usePostgres()

  /** Their clocks are five minutes apart. */
  async function gateways(count: number) {
    const url = await postgres.server.newDatabase()
    return await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const clock: Clock = { ...systemClock, now: () => systemClock.now() + index * 300_000 }
        const sql = await openPostgres({ url, clock, limits: { statementMs: 30_000, graceMs: 1_000 } })
        const node = `node-${index}`
        const live = liveGateways(sql, node, clock)
        const allowances = databaseAllowances({ sql, node })
        let exchanges = 0
        let lost = 0
        /** The next answers of the database do not arrive. */
        const lose = (count: number) => {
          lost = count
        }
        const counting: SharedAllowances = {
          async exchange(reports) {
            exchanges++
            const answers = await allowances.exchange(reports)
            if (lost-- > 0) throw new DatabaseError('late', undefined)
            return answers
          },
          gateways: live.count,
        }
        const charges = sharedCharges(counting, clock)
        const limits = createLimits({ maxConcurrent: 1_000, maxMessages: 10 }, clock, charges)
        postgres.closeLater(async () => {
          await charges.close()
          await live.close()
          await sql.close()
        })
        const begin = async (policy: CallerPolicy, keyId = 'key', isBackground?: true) => {
          const caller: Caller = { keyId, label: keyId, scope: ['openai'], policy }
          const record = {
            ...openRecord(`req_${Bun.randomUUIDv7()}`, 'POST', '/v1/messages', clock),
            caller,
            isBackground,
          }
          limits.acquire(record)
          try {
            await limits.charge(record)
          } catch (thrown) {
            limits.release(record)
            throw thrown
          }
          return record
        }
        const end = (record: RequestRecord, tokens = 0) => {
          record.usage = { inputTokens: tokens, outputTokens: 0 }
          limits.release(record)
        }
        return { sql, live, limits, begin, end, lose, exchanges: () => exchanges }
      }),
    )
  }
  type Gateway = Awaited<ReturnType<typeof gateways>>[number]

  /** What has been granted is reported every five seconds. */
  const renewals = (since: number) => (performance.now() - since) / 5_000
  const rate = (perMinute: number, setting: string) => ({ perMinute, setting })
  const granted = async (calls: Promise<RequestRecord>[]) =>
    (await Promise.allSettled(calls)).flatMap((call, at) =>
      call.status === 'fulfilled' ? [{ record: call.value, at }] : [],
    )
  const codeOf = (call: Promise<unknown>) =>
    call.then(() => 'granted').catch(({ code, message }) => `${code} ${message}`)

  test('grant its requests of a minute once, in one statement for all that come together', async () => {
    const nodes = await gateways(3)
    const policy = { requests: rate(60, 'rpm') }
    const [first] = nodes as [Gateway]
    const since = performance.now()
    await first.begin(policy)
    const calls = await granted(Array.from({ length: 300 }, (_, at) => (nodes[at % 3] as Gateway).begin(policy)))
    const seconds = (performance.now() - since) / 1_000
    // It fills by one a second.
    expect(calls.length).toBeWithin(59, 60 + Math.ceil(seconds))
    for (const { exchanges } of nodes) expect(exchanges()).toBeLessThan(6 + renewals(since))
    // One that has come in meanwhile is granted.
    await eventually(async () =>
      expect(await codeOf(first.begin(policy))).toMatch(/^rate_limit_exceeded .*requests \(rpm is 60\).* in 1 s/),
    )
  }, 30_000)

  test.each([{ requests: rate(10, 'rpm') }, { parallel: 10 }])(
    'leave half of %j to requests that somebody waits for',
    async (policy) => {
      const [one, other] = (await gateways(2)) as [Gateway, Gateway]
      const since = performance.now()
      let ofBackground = 0
      for (const node of [one, other, one, other, one, other, one, other])
        ofBackground += (await granted([node.begin(policy, 'key', true)])).length
      // One comes in every six seconds where there is a rate.
      const seconds = (performance.now() - since) / 1_000
      expect(ofBackground).toBeWithin(5, 6 + ('requests' in policy ? seconds / 6 : 0))
      expect(await granted([one, other, one, other, one].map((node) => node.begin(policy)))).toHaveLength(5)
      expect(await codeOf(one.begin(policy, 'key', true))).toMatch(/^(rate_limit|parallel_limit)_exceeded /)
    },
    30_000,
  )

  test('never let more of it run at a time, and none of them is left out', async () => {
    const nodes = await gateways(4)
    const policy = { parallel: 6 }
    const seen = { running: 0, most: 0, served: nodes.map(() => 0) }
    const worker = async (index: number) => {
      const node = nodes[index] as Gateway
      while (seen.served.reduce((sum, count) => sum + count, 0) < 200) {
        const record = await node.begin(policy).catch(() => undefined)
        if (record === undefined) {
          await Bun.sleep(5)
          continue
        }
        seen.running++
        seen.most = Math.max(seen.most, seen.running)
        await Bun.sleep(5)
        seen.running--
        seen.served[index] = (seen.served[index] ?? 0) + 1
        node.end(record)
        await Bun.sleep(100)
      }
    }
    await Promise.all(Array.from({ length: 24 }, (_, at) => worker(at % 4)))
    expect(seen.most).toBe(6)
    // Whoever asks first has it, on whichever gateway.
    for (const count of seen.served) expect(count).toBeGreaterThan(20)
  }, 60_000)

  test('count the tokens of all', async () => {
    const [home, other] = (await gateways(2)) as [Gateway, Gateway]
    const policy = { tokens: rate(600, 'tpm') }
    const record = await home.begin(policy)
    home.end(record, 900)
    await eventually(async () =>
      expect(await codeOf(other.begin(policy))).toMatch(
        /^rate_limit_exceeded .*tokens \(tpm is 600\).* in ([1-9]|[12]\d|3[01]) s/,
      ),
    )
    // Another key has its own.
    await other.begin(policy, 'another')
  }, 30_000)

  test('charge once what was reported although the answer was lost', async () => {
    const [home] = (await gateways(1)) as [Gateway]
    const policy = { requests: rate(2, 'rpm'), tokens: rate(60, 'tpm') }
    // It asks twice before it goes by its own part.
    home.lose(2)
    const record = await home.begin(policy)
    home.lose(3)
    home.end(record, 900)
    const left = async () => (await home.sql`SELECT requests, tokens FROM allowances`)[0]
    await eventually(async () => expect((await left())?.tokens).toBeLessThan(0))
    const before = home.exchanges()
    while (home.exchanges() < before + 4) expect(await codeOf(home.begin(policy))).toBeString()
    const { requests, tokens } = (await left()) ?? {}
    // One request of two and 900 tokens, and what has come in since then.
    expect(requests).toBeGreaterThanOrEqual(1)
    expect(tokens).toBeGreaterThanOrEqual(-840)
  }, 30_000)

  test('never let more of it run at a time where one answer was lost', async () => {
    const [one, other] = (await gateways(2)) as [Gateway, Gateway]
    const policy = { parallel: 2 }
    const running = [await other.begin(policy), await other.begin(policy)]
    one.lose(1)
    await expect(one.begin(policy)).rejects.toThrow('under way')
    for (const record of running) other.end(record)
  }, 60_000)

  test('ask nothing for a key without limits, nor until a request is over', async () => {
    const [home] = (await gateways(1)) as [Gateway]
    const since = performance.now()
    const free = await home.begin({})
    home.end(free, 100)
    expect(home.exchanges()).toBe(0)
    const record = await home.begin({ parallel: 2 })
    await home.begin({ parallel: 2 })
    expect(await codeOf(home.begin({ parallel: 2 }))).toMatch(/^parallel_limit_exceeded .*2 requests under way/)
    expect(home.exchanges()).toBeWithin(3, 4 + renewals(since))
    home.end(record)
    await home.begin({ parallel: 2 })
    await eventually(async () => {
      const [row] = await home.sql`SELECT running FROM allowances`
      expect(JSON.parse(String(row?.running))['node-0'][0]).toBe(2)
    })
  }, 30_000)

  test('give back what one that was killed had under way, and what a client had asked for that left', async () => {
    const [home, other] = (await gateways(2)) as [Gateway, Gateway]
    const policy = { parallel: 1 }
    await other.begin(policy)
    expect(await codeOf(home.begin(policy))).toStartWith('parallel_limit_exceeded')
    await other.sql.close()
    await home.sql`UPDATE allowances SET running = '{"node-1": [1, 5]}'`
    const beginning = home.begin(policy)
    for (const record of home.limits.running) home.limits.release(record)
    await beginning
    await eventually(async () => home.end(await home.begin(policy)))
  }, 30_000)

  test('have equal parts of what was left while the database is away, and report it after that', async () => {
    const nodes = await gateways(2)
    const policy = { requests: rate(600, 'rpm'), parallel: 8 }
    const [home, other] = nodes as [Gateway, Gateway]
    // 400 of 600 are left.
    for (let round = 0; round < 25; round++)
      for (const { record, at } of await granted(
        Array.from({ length: 8 }, (_, call) => (nodes[call % 2] as Gateway).begin(policy)),
      ))
        (nodes[at % 2] as Gateway).end(record)
    await until(() => nodes.every(({ live }) => live.count() === 2), 'both to know of each other', 40_000)
    await postgres.server.crash()
    const since = performance.now()
    let count = 4
    try {
      const calls = await granted(Array.from({ length: 20 }, () => home.begin(policy)))
      expect(calls).toHaveLength(4)
      for (const { record } of calls) home.end(record)
      for (;;) {
        const record = await other.begin(policy).catch(({ code }) => code)
        if (record === 'rate_limit_exceeded') break
        other.end(record)
        count++
      }
      // Half of what was left, and of what comes in.
      const seconds = (performance.now() - since) / 1_000
      expect(count).toBeWithin(150, 320 + Math.ceil(seconds * 5))
    } finally {
      postgres.server.start()
    }
    await until(() => nodes.every(({ sql }) => !sql.isAway()), 'the server to be back')
    await eventually(async () => {
      await home.begin(policy).then(home.end, () => {})
      const [row] = await home.sql`SELECT requests FROM allowances`
      // Without the report all would be left, twice as many. Ten come in each second.
      expect(Number(row?.requests)).toBeLessThan(count + 100 + (performance.now() - since) / 100)
    })
  }, 60_000)
})

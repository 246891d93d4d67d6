import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Database } from '../../src/database/sql.ts'
import { agentSessionById, agentSessionsBefore } from '../../src/store/agent-sessions.ts'
import {
  deleteOldestRequests,
  insertRequests,
  type RequestFilter,
  requestById,
  requestNeighbours,
  requestPage,
  type StoredRequest,
} from '../../src/store/requests.ts'
import { addUsage, deleteOldUsage, usageBetween } from '../../src/store/usage.ts'
import { testDatabases } from '../support/databases.ts'

const databases = await testDatabases()
afterAll(() => databases.stop())

const hour = 3_600_000
const empty: StoredRequest = {
  ...{ id: '', at: 0, key: 'master', model: null, upstream: null, client: null, session: null, agent: null },
  ...{ status: 200, error: null, ms: null, first_ms: null, tokens_in: null, tokens_cached: null, tokens_out: null },
  ...{ tokens_reasoning: null, credits: null, usd: null, meta: '{}', detail: null },
}
const request = (members: Partial<StoredRequest>, meta: object = {}): StoredRequest => ({
  ...empty,
  ...members,
  meta: JSON.stringify(meta),
})

describe.each([...databases.engines])('%s', (engine) => {
  let sql: Database
  const ids = async (filter: RequestFilter, limit = 100, before?: string) =>
    (await requestPage(sql, filter, limit, before))?.rows.map(({ id }) => id)

  describe('the list of requests', () => {
    beforeAll(async () => {
      sql = await databases.open(engine)
      await insertRequests(sql, [
        request(
          { id: 'a', at: 10, model: 'GLM-5.3', client: 'Claude Code', session: 's', upstream: 'zai-api', ms: 900 },
          { asked: 'claude-opus', key: { label: 'AUTH_TOKEN' }, notes: [] },
        ),
        request(
          { id: 'b', at: 20, model: 'GLM-4.7', client: 'curl', key: 'k1', status: 429, error: 'rate_limited' },
          { key: { id: 'k1', label: 'Ann "A"' }, notes: ['waited 100% of_it'] },
        ),
        request({ id: 'c', at: 20, status: 499, error: 'cancelled', session: 's' }, { notes: ['世界'] }),
        request({ id: 'd', at: 30, error: 'upstream_idle', ms: 90_000 }, { notes: ['a back\\slash'] }),
      ])
    })
    afterAll(() => sql.close())

    test.each<[string, RequestFilter, string[]]>([
      ['none, newest first', {}, ['d', 'c', 'b', 'a']],
      ['a part of the model', { model: 'glm-5' }, ['a']],
      ['how the model was asked for', { model: 'CLAUDE' }, ['a']],
      ['a part of the client', { client: 'claude' }, ['a']],
      ['the id of a key', { key: 'k1' }, ['b']],
      ['the label of a key', { key: 'Ann "A"' }, ['b']],
      ['not a part of the label', { key: 'Ann' }, []],
      ['an upstream', { upstream: 'zai-api' }, ['a']],
      ['a session', { session: 's' }, ['c', 'a']],
      ['a status', { status: '429' }, ['b']],
      ['errors, but not clients that left', { status: 'error' }, ['d', 'b']],
      ['a time', { since: 20, until: 30 }, ['c', 'b']],
      ['a duration', { minMs: 900 }, ['d', 'a']],
      ['notes', { noted: true }, ['d', 'c', 'b']],
      ['words in any order', { words: '  of_it WAITED ' }, ['b']],
      ['words that are no pattern', { words: '100% o_' }, []],
      ['words of another alphabet', { words: '世界' }, ['c']],
      ['words with a backslash', { words: 'back\\slash' }, ['d']],
      ['a word that JSON would escape', { words: '"A"' }, ['b']],
      ['several', { session: 's', status: '200' }, ['a']],
    ])('filtered by %s', async (_what, filter, expected) => expect(await ids(filter)).toEqual(expected))

    test('has pages that go on where the last one ended', async () => {
      const first = await requestPage(sql, {}, 3)
      expect(first?.rows.map(({ id }) => id)).toEqual(['d', 'c', 'b'])
      // In between, one comes that is newer.
      await insertRequests(sql, [request({ id: 'e', at: 40 })])
      expect(await requestPage(sql, {}, 3, first?.next)).toMatchObject({ rows: [{ id: 'a' }] })
      expect((await requestPage(sql, {}, 3, first?.next))?.next).toBeUndefined()
      await sql`DELETE FROM requests WHERE id = 'e'`
    })

    test.each(['', 'x', '1', '1.', '-1.a', `${'9'.repeat(20)}.a`])('has no page at %p', async (cursor) => {
      expect(await requestPage(sql, {}, 3, cursor)).toBeUndefined()
    })

    test('gives one by its id, whole', async () => {
      const row = { ...empty, id: 'whole', at: 5, credits: 0.5, usd: 1, tokens_in: 2 ** 40, meta: '{"a":"世界"}' }
      await insertRequests(sql, [row])
      expect(await requestById(sql, 'whole')).toEqual(row)
      expect(await requestById(sql, 'nobody')).toBeUndefined()
      await sql`DELETE FROM requests WHERE id = 'whole'`
    })

    test('knows the turns of a session and agent around one', async () => {
      const turns = [
        request({ id: 't1', at: 60, session: 'n' }),
        request({ id: 't2', at: 70, session: 'n', agent: 'explore' }),
        request({ id: 't3', at: 70, session: 'n' }),
        request({ id: 't4', at: 70, session: 'm' }),
        request({ id: 't5', at: 80, session: 'n' }),
      ]
      await insertRequests(sql, turns)
      const around = turns.map((turn) => requestNeighbours(sql, turn))
      expect(await Promise.all(around)).toEqual([
        { next: 't3' },
        {},
        { previous: 't1', next: 't5' },
        {},
        { previous: 't3' },
      ])
      expect(await requestNeighbours(sql, request({ id: 'none' }))).toEqual({})
      await sql`DELETE FROM requests WHERE at >= 60`
    })

    test('takes a row once, and says which were new', async () => {
      expect(await insertRequests(sql, [request({ id: 'a', at: 10 }), request({ id: 'n', at: 1 })])).toEqual(
        new Set(['n']),
      )
      expect((await requestById(sql, 'a'))?.model).toBe('GLM-5.3')
      expect(await deleteOldestRequests(sql, 10, 2)).toBe(1)
    })
  })

  describe('a long list', () => {
    const count = 9_000
    beforeAll(async () => {
      sql = await databases.open(engine)
      for (let first = 0; first < count; first += 1_000)
        await insertRequests(
          sql,
          Array.from({ length: 1_000 }, (_, index) => {
            const at = first + index
            return request({ id: `r${at}`, at, model: at === 7 ? 'needle' : 'hay' })
          }),
        )
    })
    afterAll(() => sql.close())

    test('is searched through to its end', async () => {
      expect(await ids({ model: 'needle' }, 1)).toEqual(['r7'])
      expect(await ids({ model: 'nothing' })).toEqual([])
      expect(await ids({ model: 'needle', since: 8 })).toEqual([])
    })

    test('has each row once over all pages', async () => {
      const seen: string[] = []
      let before: string | undefined
      do {
        const page = await requestPage(sql, { model: 'hay' }, 200, before)
        seen.push(...(page?.rows.map(({ id }) => id) ?? []))
        before = page?.next
      } while (before !== undefined)
      expect(seen).toEqual(
        Array.from({ length: count }, (_, index) => `r${count - 1 - index}`).filter((id) => id !== 'r7'),
      )
    })

    test('loses its oldest rows first, so many at a time', async () => {
      expect(await deleteOldestRequests(sql, 500)).toBe(500)
      expect(await deleteOldestRequests(sql, 500, 600)).toBe(100)
      expect(await ids({ until: 605 })).toEqual(['r604', 'r603', 'r602', 'r601', 'r600'])
    })
  })

  describe('usage', () => {
    beforeAll(async () => {
      sql = await databases.open(engine)
    })
    afterAll(() => sql.close())

    test('is added up by hour and day, and unknown prices stay unknown', async () => {
      const used = { key: 'k', model: 'GLM-5.3', tokens_in: 100, tokens_cached: 60, tokens_out: 10, credits: 0.5 }
      const start = 20 * 24 * hour
      await addUsage(sql, [
        request({ ...used, at: start + 1 }),
        request({ ...used, at: start + hour - 1, error: 'rate_limited', credits: null }),
        request({ ...used, at: start + hour }),
        request({ key: 'k', at: start + 2, error: 'cancelled' }),
      ])
      await addUsage(sql, [request({ ...used, at: start + 5, tokens_reasoning: 4 })])
      await addUsage(sql, [])
      const query = { from: start + 30, to: start + 24 * hour, by: 'hour', group: 'model' } as const
      const none = { tokens_in: 0, tokens_cached: 0, tokens_out: 0, tokens_reasoning: 0, credits: null, usd: null }
      const whole = { tokens_in: 300, tokens_cached: 180, tokens_out: 30, tokens_reasoning: 4, credits: 1, usd: null }
      const one = { tokens_in: 100, tokens_cached: 60, tokens_out: 10, tokens_reasoning: 0, credits: 0.5, usd: null }
      expect(await usageBetween(sql, query)).toEqual([
        { at: start, group: '', requests: 1, errors: 0, ...none },
        { at: start, group: 'GLM-5.3', requests: 3, errors: 1, ...whole },
        { at: start + hour, group: 'GLM-5.3', requests: 1, errors: 0, ...one },
      ])
      expect(await usageBetween(sql, { ...query, by: 'day', group: 'key' })).toEqual([
        {
          at: start,
          group: 'k',
          requests: 5,
          errors: 1,
          ...whole,
          tokens_in: 400,
          tokens_cached: 240,
          tokens_out: 40,
          credits: 1.5,
        },
      ])
      expect(await usageBetween(sql, { ...query, to: start + hour })).toHaveLength(2)
      expect(await deleteOldUsage(sql, 10, start + 1)).toBe(2)
      expect(await usageBetween(sql, query)).toHaveLength(1)
    })

    test('is added by several at the same time, none of which waits for another for good', async () => {
      const models = Array.from({ length: 200 }, (_, at) => request({ key: 'together', model: `m${at}`, at: 1_000 }))
      const writers = Array.from({ length: 40 }, (_, at) => (at % 2 === 0 ? models : models.toReversed()))
      await Promise.all(writers.map((requests) => addUsage(sql, requests)))
      const slots = await usageBetween(sql, { from: 0, to: hour, by: 'hour', group: 'key' })
      expect(slots.find(({ group }) => group === 'together')?.requests).toBe(40 * 200)
    }, 60_000)
  })

  describe('sessions', () => {
    beforeAll(async () => {
      sql = await databases.open(engine)
      const turn = { session: 's1', client: 'Claude Code', model: 'GLM-5.3', tokens_in: 100, tokens_out: 5 }
      await insertRequests(sql, [
        request({ ...turn, id: 'a', at: 10, credits: 1 }),
        request({ ...turn, id: 'b', at: 20, agent: 'x', model: 'GLM-4.7', tokens_in: 7 }),
        request({ ...turn, id: 'c', at: 30, tokens_in: 300, tokens_cached: 90, credits: 2 }),
        request({ ...turn, id: 'd', at: 40, tokens_in: null, tokens_out: null, error: 'cancelled' }),
        request({ id: 'e', at: 25, session: 's2' }),
        request({ id: 'f', at: 50 }),
      ])
    })
    afterAll(() => sql.close())

    test('are put together from their requests, the last one first', async () => {
      const first = {
        ...{ id: 's1', client: 'Claude Code', startedAt: 10, lastAt: 40, turns: 4, credits: 3, usd: null },
        ...{
          agents: [
            {
              ...{ id: null, turns: 3, tokensIn: 400, tokensCached: 90, tokensOut: 10, context: 300 },
              ...{ credits: 3, usd: null },
            },
            {
              ...{ id: 'x', turns: 1, tokensIn: 7, tokensCached: 0, tokensOut: 5, context: 7 },
              ...{ credits: null, usd: null },
            },
          ],
          models: ['GLM-5.3', 'GLM-4.7'],
        },
        ...{ tokensIn: 407, tokensCached: 90, tokensOut: 15, context: 300, contextModel: 'GLM-5.3' },
      }
      const sessions = await agentSessionsBefore(sql, { before: 1_000, since: 0, limit: 10 })
      expect(sessions.map(({ id }) => id)).toEqual(['s1', 's2'])
      expect(sessions[0]).toEqual(first)
      expect(await agentSessionById(sql, 's2')).toMatchObject({
        context: null,
        client: null,
        tokensIn: 0,
        credits: null,
      })
      expect(await agentSessionById(sql, 's3')).toBeUndefined()
    })

    test('come in pages, each session once', async () => {
      expect((await agentSessionsBefore(sql, { before: 1_000, since: 0, limit: 1 })).map(({ id }) => id)).toEqual([
        's1',
      ])
      expect((await agentSessionsBefore(sql, { before: 40, since: 0, limit: 1 })).map(({ id }) => id)).toEqual(['s2'])
      expect(await agentSessionsBefore(sql, { before: 25, since: 0, limit: 1 })).toEqual([])
      expect(await agentSessionsBefore(sql, { before: 1_000, since: 41, limit: 10 })).toEqual([])
    })
  })
})

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Database } from '../../src/database/sql.ts'
import { databaseResponses } from '../../src/store/database-responses.ts'
import { testDatabases } from '../support/databases.ts'

const databases = await testDatabases()
afterAll(() => databases.stop())

const kept = (id: string, text = '') => ({ id, reply: { id, text }, input: [{ type: 'message', text: '世界 🙂 \0' }] })

describe.each([...databases.engines])('replies in %s', (engine) => {
  let sql: Database
  let time = 1_000_000
  beforeAll(async () => {
    sql = await databases.open(engine)
  })
  afterAll(() => sql.close())
  const open = (limits: { maxRows?: number; maxBytes?: number } = {}) =>
    databaseResponses({ sql, maxBytes: 1_000_000, maxRows: 100, maxAgeMs: 10, now: () => time, ...limits })
  const there = async (...ids: string[]) => {
    const found = await Promise.all(ids.map((id) => open().get('ann', id)))
    return found.flatMap((response) => response?.id ?? [])
  }

  test('are given back as they were, to their owner alone, until they are deleted', async () => {
    const store = open()
    await store.put('ann', kept('a', 'old'))
    await store.put('ann', kept('a', 'new'))
    // Nobody takes the place of another's reply.
    await store.put('bob', kept('a', 'stolen'))
    expect(await store.get('ann', 'a')).toEqual(kept('a', 'new'))
    expect(await store.get('bob', 'a')).toBeUndefined()
    expect(await store.delete('bob', 'a')).toBe(false)
    expect(await store.delete('ann', 'a')).toBe(true)
    expect(await store.delete('ann', 'a')).toBe(false)
    expect(await there('a')).toEqual([])
  })

  test('are changed as one step, by their owner alone', async () => {
    const store = open()
    await store.put('ann', { ...kept('a'), input: [] })
    const add = (number: number) => store.change('ann', 'a', (old) => ({ ...old, input: [...old.input, { number }] }))
    await Promise.all([1, 2, 3, 4, 5].map(add))
    const { input = [] } = (await store.get('ann', 'a')) ?? {}
    expect(input.map(({ number }) => number).toSorted()).toEqual([1, 2, 3, 4, 5])
    expect(await store.change('bob', 'a', () => kept('a', 'stolen'))).toBeUndefined()
    expect(await store.change('ann', 'b', () => kept('b'))).toBeUndefined()
    expect(await store.delete('ann', 'a')).toBe(true)
  })

  test('are forgotten when they are too old, read or not', async () => {
    await open().put('ann', kept('a'))
    time += 11
    expect(await there('a')).toEqual([])
    await open().put('ann', kept('b'))
    expect(await sql`SELECT id FROM replies`).toEqual([{ id: 'b' }])
  })

  test('lose the oldest when they are too many or too large', async () => {
    for (const id of ['c', 'd', 'e']) {
      time++
      await open({ maxRows: 2 }).put('ann', kept(id))
    }
    expect(await there('b', 'c', 'd', 'e')).toEqual(['d', 'e'])
    time++
    await open({ maxBytes: 1_000 }).put('ann', kept('f', 'x'.repeat(870)))
    expect(await there('d', 'e', 'f')).toEqual(['f'])
    await open({ maxBytes: 1_000 }).put('ann', kept('g', 'x'.repeat(1_000)))
    expect(await there('f', 'g')).toEqual(['f'])
  })

  test('of one key leave those of others alone', async () => {
    await open().put('bob', kept('bobs'))
    for (const id of ['h', 'i', 'j']) {
      time++
      await open({ maxRows: 2 }).put('ann', kept(id))
    }
    expect(await there('f', 'h', 'i', 'j')).toEqual(['j'])
    expect(await open().get('bob', 'bobs')).toBeDefined()
  })
})

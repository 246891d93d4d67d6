import { afterAll, afterEach, describe, expect, test } from 'bun:test'
import type { GatewayError } from '../../src/core/errors.ts'
import { DatabaseError } from '../../src/database/errors.ts'
import type { Database } from '../../src/database/sql.ts'
import { type BatchStore, createBatchStore } from '../../src/store/batches.ts'
import { manualClock } from '../support/clock.ts'
import { testDatabases } from '../support/databases.ts'

const databases = await testDatabases()
afterEach(() => databases.closeAll())
afterAll(() => databases.stop())

const hourMs = 3_600_000
const entries = (...names: string[]) => names.map((name) => ({ name, body: `{"of":"${name}"}` }))
const common = { dialect: 'anthropic-messages', headers: [['anthropic-version', '2023-06-01']] as const }
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (thrown: GatewayError) => thrown.code,
  )

describe.each(databases.engines)('in %s', (engine) => {
  async function setUp(more: { maxBytes?: number; maxOpen?: number } = {}) {
    const database = await databases.open(engine)
    const clock = manualClock()
    const storeOf = (node: string, sql: Database = database): BatchStore =>
      createBatchStore({ open: () => sql, isLasting: true, maxBytes: 10_000, now: clock.now, node, ...more })
    return { clock, store: storeOf('one'), storeOf }
  }

  test('a batch is its owner’s, from its beginning to its end', async () => {
    const { clock, store } = await setUp()
    const made = await store.create({ id: 'b1', owner: 'alice', ...common, entries: entries('x', 'y', 'z') })
    const counts = { succeeded: 0, errored: 0, canceled: 0, expired: 0 }
    const at = clock.now()
    expect(made).toEqual({
      ...{ id: 'b1', createdAt: at, expiresAt: at + 24 * hourMs, cancelledAt: undefined, endedAt: undefined },
      ...{ size: 3, counts },
    })
    expect([await store.get('bob', 'b1'), await store.cancel('bob', 'b1')]).toEqual([undefined, undefined])
    const [claimed] = await store.claim()
    expect(claimed).toMatchObject({ ...made, owner: 'alice', dialect: 'anthropic-messages' })
    expect(claimed?.headers).toEqual([['anthropic-version', '2023-06-01']])
    expect(await store.pending('b1', -1, 2)).toEqual([
      { n: 0, body: '{"of":"x"}' },
      { n: 1, body: '{"of":"y"}' },
    ])
    await store.storeOutcome('b1', 0, 'succeeded', '{"said":1}')
    await store.storeOutcome('b1', 0, 'errored', '{"later":1}')
    expect(await store.pending('b1', -1, 9)).toHaveLength(2)
    expect(await store.delete('alice', 'b1')).toBe(false)
    clock.advance(hourMs)
    expect((await store.cancel('alice', 'b1'))?.cancelledAt).toBe(at + hourMs)
    const ended = await store.end('b1', 'canceled')
    expect(ended).toMatchObject({ endedAt: at + hourMs, counts: { ...counts, succeeded: 1, canceled: 2 } })
    expect(await store.get('alice', 'b1')).toEqual(ended)
    expect(await store.results('b1', -1, 2)).toEqual([
      { n: 0, name: 'x', outcome: 'succeeded', response: '{"said":1}' },
      { n: 1, name: 'y', outcome: 'canceled', response: undefined },
    ])
    expect(await store.results('b1', 1, 2)).toEqual([{ n: 2, name: 'z', outcome: 'canceled', response: undefined }])
    expect(await store.claim()).toEqual([])
    expect([await store.delete('bob', 'b1'), await store.delete('alice', 'b1')]).toEqual([false, true])
    expect([await store.get('alice', 'b1'), await store.results('b1', -1, 9)]).toEqual([undefined, []])
  })

  test('a list has its newest first, page by page in both directions', async () => {
    const { clock, store } = await setUp()
    for (const id of ['b1', 'b2', 'b3', 'b4']) {
      await store.create({ id, owner: 'alice', ...common, entries: entries('x') })
      clock.advance(1_000)
    }
    await store.create({ id: 'b5', owner: 'bob', ...common, entries: entries('x') })
    const page = async (query: Parameters<BatchStore['list']>[1]) => {
      const { batches, hasMore } = await store.list('alice', query)
      return [batches.map(({ id }) => id), hasMore]
    }
    expect(await page({ limit: 3 })).toEqual([['b4', 'b3', 'b2'], true])
    expect(await page({ limit: 3, after: 'b2' })).toEqual([['b1'], false])
    expect(await page({ limit: 2, before: 'b1' })).toEqual([['b3', 'b2'], true])
    expect(await page({ limit: 2, before: 'b3' })).toEqual([['b4'], false])
    expect(await page({ limit: 2, after: 'b5' })).toEqual([[], false])
  })

  test('another gateway takes over what nobody has claimed for a while', async () => {
    const { clock, store, storeOf } = await setUp()
    const other = storeOf('two')
    await store.create({ id: 'b1', owner: 'alice', ...common, entries: entries('x') })
    expect(await other.claim()).toEqual([])
    clock.advance(10_000)
    expect(await store.claim()).toHaveLength(1)
    clock.advance(10_000)
    expect(await other.claim()).toEqual([])
    clock.advance(10_000)
    expect(await other.claim()).toHaveLength(1)
    expect(await store.claim()).toEqual([])
  })

  test('there are not more than may be', async () => {
    const { clock, store } = await setUp({ maxBytes: 100, maxOpen: 2 })
    const create = (id: string, owner: string, body: string) =>
      store.create({ id, owner, ...common, entries: [{ name: 'x', body }] })
    expect(await codeOf(create('b0', 'alice', 'x'.repeat(101)))).toBe('batch_too_large')
    await create('b1', 'alice', 'x'.repeat(40))
    await create('b2', 'alice', 'x'.repeat(40))
    expect(await codeOf(create('b3', 'alice', 'x'))).toBe('too_many_batches')
    expect(await codeOf(create('b4', 'bob', 'x'.repeat(40)))).toBe('batches_full')
    await store.end('b1', 'expired')
    clock.advance(1_000)
    await create('b4', 'bob', 'x'.repeat(40))
    expect(await store.get('alice', 'b1')).toBeUndefined()
    expect(await store.get('alice', 'b2')).toBeDefined()
  })

  test('an owner with more than half of the room makes room of its own only', async () => {
    const { clock, store } = await setUp()
    const make = (id: string, owner: string, bytes: number) =>
      store.create({ id, owner, ...common, entries: [{ name: 'x', body: 'x'.repeat(bytes) }] })
    await make('of-bob', 'bob', 1_000)
    await store.end('of-bob', 'expired')
    for (const n of [1, 2, 3]) {
      clock.advance(1)
      await make(`a${n}`, 'alice', 3_000)
    }
    expect(await codeOf(make('a4', 'alice', 500))).toBe('batches_full')
    expect(await store.get('bob', 'of-bob')).toBeDefined()
    await store.end('a1', 'expired')
    await make('a4', 'alice', 500)
    expect([await store.get('alice', 'a1'), (await store.get('bob', 'of-bob'))?.id]).toEqual([undefined, 'of-bob'])
    await make('c1', 'carol', 3_000)
    expect(await store.get('bob', 'of-bob')).toBeUndefined()
  })

  test('what has been over for long is deleted', async () => {
    const { clock, store } = await setUp()
    await store.create({ id: 'b1', owner: 'alice', ...common, entries: entries('x') })
    await store.end('b1', 'expired')
    clock.advance(28 * 24 * hourMs)
    await store.claim()
    expect(await store.get('alice', 'b1')).toBeDefined()
    clock.advance(25 * hourMs)
    await store.claim()
    expect(await store.get('alice', 'b1')).toBeUndefined()
  })

  const yieldsTo = (work: () => Promise<void>) => () => work()

  test('nobody sees one whose requests are still being stored', async () => {
    const { store, storeOf } = await setUp()
    const seen: unknown[] = []
    const look = async () => {
      seen.push(await store.get('alice', 'b1'), await store.cancel('alice', 'b1'), await store.delete('alice', 'b1'))
      seen.push((await store.list('alice', { limit: 9 })).batches, await store.claim(), await storeOf('two').claim())
    }
    await store.create({ id: 'b1', owner: 'alice', ...common, entries: entries('x') }, yieldsTo(look))
    expect(seen).toEqual([undefined, undefined, false, [], [], []])
    expect(await store.claim()).toHaveLength(1)
  })

  test('nothing is left of one that could not be stored, and it takes no place', async () => {
    const { store } = await setUp({ maxOpen: 1 })
    const create = (id: string, work?: () => Promise<void>) =>
      store.create({ id, owner: 'alice', ...common, entries: entries('x') }, work && yieldsTo(work))
    const failing = create('b1', () => Promise.reject(new DatabaseError('late', undefined)))
    expect(await codeOf(failing)).toBe('store_unavailable')
    expect(await store.pending('b1', -1, 9)).toEqual([])
    await create('b2')
  })

  test('what a gateway has left half stored is deleted by another', async () => {
    const { clock, store, storeOf } = await setUp()
    const stopped = new Promise<void>((resolve) => {
      const never = () => {
        resolve()
        return new Promise<void>(() => {})
      }
      void store.create({ id: 'b1', owner: 'alice', ...common, entries: entries('x', 'y') }, yieldsTo(never))
    })
    await stopped
    clock.advance(9 * 60_000)
    await storeOf('two').claim()
    expect(await store.pending('b1', -1, 9)).toHaveLength(2)
    clock.advance(2 * 60_000)
    await storeOf('two').claim()
    expect(await store.pending('b1', -1, 9)).toEqual([])
  })

  test('one of ten thousand requests is stored, ended and deleted', async () => {
    const { store } = await setUp({ maxBytes: 10_000_000 })
    const names = Array.from({ length: 10_000 }, (_, index) => `r${index}`)
    await store.create({ id: 'b1', owner: 'alice', ...common, entries: entries(...names) })
    expect((await store.end('b1', 'canceled'))?.counts.canceled).toBe(10_000)
    expect(await store.results('b1', 9_998, 10)).toMatchObject([{ name: 'r9999' }])
    expect(await store.delete('alice', 'b1')).toBe(true)
    expect(await store.results('b1', -1, 10)).toEqual([])
  })
})

test('a database that is away is an error that clients understand', async () => {
  const away = () => Promise.reject(new DatabaseError('away', undefined))
  const database = Object.assign(away, await databases.open('SQLite'), { transaction: away })
  const common = { isLasting: true, maxBytes: 1_000, now: () => 0, node: 'one' }
  const store = createBatchStore({ open: () => database, ...common })
  const asked = [
    store.get('alice', 'b1'),
    store.list('alice', { limit: 1 }),
    store.cancel('alice', 'b1'),
    store.delete('alice', 'b1'),
    store.claim(),
    store.end('b1', 'expired'),
  ]
  expect(new Set(await Promise.all(asked.map(codeOf)))).toEqual(new Set(['store_unavailable']))
})

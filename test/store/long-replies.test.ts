import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { invalidField } from '../../src/core/errors.ts'
import type { StoredResponse } from '../../src/core/stored-conversation.ts'
import { openSqlite } from '../../src/database/sqlite.ts'
import { databaseResponses } from '../../src/store/database-responses.ts'
import { jsonOf } from '../../src/store/response-json.ts'
import type { LongSteps } from '../../src/store/responses.ts'
import { openSqliteResponses } from '../../src/store/sqlite-responses.ts'
import { manualClock } from '../support/clock.ts'

// Long replies are read and changed in steps. Whatever happens between two of them must not be lost.

const folder = mkdtempSync(join(tmpdir(), 'zai2api-long-'))
afterAll(() => rmSync(folder, { recursive: true }))
let files = 0

/** Steps between which `between` runs, once each time it is set. */
function stepsWith(hooks: { between?: (() => Promise<unknown>) | undefined }) {
  let pauses = 0
  const pause = async () => {
    pauses++
    const { between } = hooks
    hooks.between = undefined
    await between?.()
  }
  const longSteps: LongSteps = {
    pause,
    async json(response) {
      await pause()
      return jsonOf(response)
    },
  }
  return { longSteps, pauses: () => pauses }
}

const limits = { maxBytes: 64_000_000, maxRows: 100, maxAgeMs: 100_000, now: () => 0, warn: () => expect.unreachable() }
const long = '汉'.repeat(400_000)
const short = 'short'
const conversation = (text: string): StoredResponse => ({ id: 'a', reply: { id: 'a' }, input: [{ text }] })
const adding = (more: string) => (old: StoredResponse) => ({ ...old, input: [...old.input, { more }] })

function opened(path = join(folder, `${++files}.sqlite`)) {
  const hooks: Parameters<typeof stepsWith>[0] = {}
  const { longSteps, pauses } = stepsWith(hooks)
  const store = openSqliteResponses({ ...limits, path, longSteps })
  return { store, hooks, pauses, path }
}

describe('a long reply', () => {
  test('is read and changed in steps, a short one in one', async () => {
    const { store, pauses } = opened()
    await store.put('ann', conversation(short))
    await store.change('ann', 'a', adding('b'))
    expect(await store.get('ann', 'a')).toEqual(adding('b')(conversation(short)))
    expect(pauses()).toBe(0)
    await store.put('ann', conversation(long))
    expect(await store.get('ann', 'a')).toEqual(conversation(long))
    expect(pauses()).toBe(1)
    expect(await store.change('ann', 'a', adding('b'))).toEqual(adding('b')(conversation(long)))
    expect(pauses()).toBe(4)
    expect(await store.get('ann', 'a')).toEqual(adding('b')(conversation(long)))
  })

  test.each(['this', 'another'])('keeps what %s gateway adds meanwhile', async (whose) => {
    const { store, hooks, path } = opened()
    const other = whose === 'this' ? store : openSqliteResponses({ ...limits, path })
    await store.put('ann', conversation(long))
    hooks.between = () => other.change('ann', 'a', adding('first'))
    await store.change('ann', 'a', adding('second'))
    expect(await store.get('ann', 'a')).toEqual(adding('second')(adding('first')(conversation(long))))
  })

  test('keeps all of many changes at once', async () => {
    const { store } = opened()
    await store.put('ann', conversation(long))
    const names = Array.from({ length: 10 }, (_, number) => `change ${number}`)
    await Promise.all(names.map((name) => store.change('ann', 'a', adding(name))))
    const { input = [] } = (await store.get('ann', 'a')) ?? {}
    expect(input.slice(1).map(({ more }) => String(more))).toContainAllValues(names)
    expect(input).toHaveLength(11)
  })

  test('stays deleted where it is deleted meanwhile', async () => {
    const { store, hooks } = opened()
    await store.put('ann', conversation(long))
    hooks.between = () => store.delete('ann', 'a')
    expect(await store.change('ann', 'a', adding('b'))).toBeUndefined()
    expect(await store.get('ann', 'a')).toBeUndefined()
  })

  test('stays as it is where its change is refused', async () => {
    const { store } = opened()
    await store.put('ann', conversation(long))
    const refused = store.change('ann', 'a', () => {
      throw invalidField('input', 'is refused')
    })
    await expect(refused).rejects.toThrow('is refused')
    expect(await store.get('ann', 'a')).toEqual(conversation(long))
  })

  test('in a database is changed in steps, too', async () => {
    const { longSteps, pauses } = stepsWith({})
    const sql = openSqlite({ path: ':memory:', clock: manualClock(), warn() {} })
    const store = databaseResponses({ ...limits, sql, longSteps })
    await store.put('ann', conversation(long))
    expect(await store.change('ann', 'a', adding('b'))).toEqual(adding('b')(conversation(long)))
    expect(pauses()).toBe(3)
    expect(await store.get('ann', 'a')).toEqual(adding('b')(conversation(long)))
  })
})

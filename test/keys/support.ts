import type { Clock } from '../../src/core/clock.ts'
import type { Database } from '../../src/database/sql.ts'
import { openSqlite } from '../../src/database/sqlite.ts'
import { createKeys } from '../../src/keys/index.ts'
import { createLedger } from '../../src/keys/ledger.ts'
import { createKeyRegistry } from '../../src/keys/registry.ts'
import { modelOf } from '../../src/models/model.ts'
import { modelTable } from '../../src/models/table.ts'
import { openRecord, type RequestRecord } from '../../src/observe/record.ts'
import { createKeyStore } from '../../src/store/keys.ts'
import type { ManualClock } from '../support/clock.ts'

export const dialects = ['openai-chat', 'openai-responses', 'anthropic-messages']

interface HouseOptions<C extends Clock> {
  path?: string
  database?: Database
  clock: C
}

/** Everything about keys over one database, with a clock of its own. */
export async function keyHouse<C extends Clock>({ path = ':memory:', database, clock }: HouseOptions<C>) {
  const warnings: string[] = []
  const warn = (message: string, cause?: unknown) => void warnings.push(`${message}: ${cause}`)
  const db = database ?? openSqlite({ path, clock, warn })
  const store = createKeyStore(db)
  const registry = await createKeyRegistry({ store, clock, policy: () => noPolicy, warn })
  const ledger = createLedger({ store, clock, table: () => table, warn })
  const keys = createKeys({
    store,
    now: clock.now,
    random: (bytes) => crypto.getRandomValues(bytes),
    dialects,
    upstreams: () => ['zai-api', 'zai-coding'],
    table: () => table,
    onChange: registry.refresh,
  })
  let requests = 0
  return {
    ...{ db, store, registry, ledger, keys, clock, warnings, databaseState: db.state },
    /** A request with this secret, which was let in. */
    request(secret: string): RequestRecord {
      const record = openRecord(`req_${process.pid}_${++requests}`, 'POST', '/v1/messages', clock)
      const caller = registry.callerOf(secret)
      if (caller === undefined) throw new Error('no secret of ours')
      record.caller = caller
      return record
    },
    async close() {
      await Promise.all([registry.close(), ledger.close()])
      await db.close()
    },
  }
}

const noPolicy = {}
export const table = modelTable([
  {
    ...{ id: 'priced', price: { input: 1, cached: 0.5, output: 2 }, max_output_tokens: 1_000, context_tokens: 10_000 },
    credits: { input: 6, cached: 2, output: 20 },
  },
])
export const priced = modelOf(table.of('priced'), 'priced')
/** Of an upstream that ends replies by itself. */
export const exact = (maxTokens: number) => maxTokens
export type House = Awaited<ReturnType<typeof keyHouse<ManualClock>>>

/** `spent`, `reserved` and `left` of the first budget. */
export async function counters({ keys }: House, key: string) {
  const [budget] = (await keys.show(key)).budgets
  if (budget === undefined) throw new Error('no budget')
  return { spent: budget.spent, reserved: budget.reserved, left: budget.left }
}

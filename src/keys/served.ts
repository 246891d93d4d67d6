import type { CallerPolicy } from '../core/caller.ts'
import type { Clock } from '../core/clock.ts'
import type { Database } from '../database/sql.ts'
import type { ModelTable } from '../models/table.ts'
import { createKeyStore } from '../store/keys.ts'
import { createKeys, type Keys } from './index.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { createKeyRegistry, type KeyRegistry } from './registry.ts'
import type { RandomBytes } from './secret.ts'

/** What a server needs of keys. */
export interface ServedKeys {
  keys: Keys
  registry: KeyRegistry
  ledger: Ledger
  /** Call it once nothing is answered any more. */
  close(): Promise<void>
}

export interface ServedKeysOptions {
  database: Database
  clock: Clock
  random: RandomBytes
  dialects: readonly string[]
  policy: () => CallerPolicy
  table: () => ModelTable
  warn: (message: string, cause: unknown) => void
  /** Told of each change that this server makes. */
  info: (message: string, facts: object) => void
}

/** Loads the keys, and settles the expired reservations of processes that crashed. Errors: those of the database. */
export async function openKeys(options: ServedKeysOptions): Promise<ServedKeys> {
  const { database, clock, random, dialects, policy, table, warn, info } = options
  const store = createKeyStore(database)
  const registry = await createKeyRegistry({ store, clock, policy, warn })
  const ledger = createLedger({ store, clock, table, warn })
  const onChange = async (did: string, { id, name }: { id: string; name: string }) => {
    info(`key ${did}`, { key: id, name })
    await registry.refresh()
  }
  const keys = createKeys({ store, now: clock.now, random, dialects, table, onChange })
  await ledger.sweep()
  return {
    ...{ keys, registry, ledger },
    async close() {
      await Promise.all([ledger.close(), registry.close()])
    },
  }
}

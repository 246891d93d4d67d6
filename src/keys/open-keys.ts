import type { CallerPolicy } from '../core/caller.ts'
import type { Clock } from '../core/clock.ts'
import { sharedClock } from '../database/shared-clock.ts'
import type { Database, ServerState } from '../database/sql.ts'
import type { ModelTable } from '../models/table.ts'
import { type Journal, openJournal } from '../store/journal.ts'
import { createKeyStore, keysChannel } from '../store/keys.ts'
import { offlineKeys } from '../store/offline-keys.ts'
import { createKeys, type Keys } from './index.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { createKeyRegistry, type KeyRegistry } from './registry.ts'
import type { RandomBytes } from './secret.ts'

/** The keys as a server needs them. */
export interface ServedKeys {
  keys: Keys
  registry: KeyRegistry
  ledger: Ledger
  /** The state of the database. While it is away, known keys stay usable for a minute. */
  databaseState(): ServerState
  /** Call it after the last reply has ended. */
  close(): Promise<void>
}

export interface ServedKeysOptions {
  database: Database
  clock: Clock
  random: RandomBytes
  dialects: readonly string[]
  upstreams: () => readonly string[]
  policy: () => CallerPolicy
  table: () => ModelTable
  /** Whether keys with budgets are refused while the PostgreSQL server is away. */
  isStrict?: () => boolean
  /** Where costs wait while the server is away. In memory if absent. */
  journal?: Journal | undefined
  warn: (message: string, cause: unknown) => void
  /** Called with each change that this server makes. */
  info: (message: string, facts: object) => void
}

/** Loads the keys, and settles the expired reservations of processes that crashed. Errors: those of the database. */
export async function openKeys(options: ServedKeysOptions): Promise<ServedKeys> {
  const { database, random, dialects, upstreams, policy, table, isStrict = () => false, warn, info } = options
  const clock = await sharedClock(database, options.clock)
  const { journal = openJournal({ path: undefined, database: '', clock, warn }) } = options
  const stored = createKeyStore(database)
  const offline =
    database.engine === 'postgres' ? offlineKeys(stored, { database, clock, isStrict, journal, warn }) : undefined
  const store = offline ?? stored
  const registry = await createKeyRegistry({ store, clock, policy, warn })
  const ledger = createLedger({ store, clock, table, warn })
  const onChange = async (action: string, { id, name }: { id: string; name: string }) => {
    info(`key ${action}`, { key: id, name })
    await registry.refresh()
  }
  const keys = createKeys({ store, now: clock.now, random, dialects, upstreams, table, onChange })
  const stopListening = database.listen(keysChannel, () => {
    registry.refresh().catch(() => {
      // The next refresh reports the failure.
    })
  })
  await ledger.sweep()
  return {
    ...{ keys, registry, ledger, databaseState: database.state },
    async close() {
      clock.stop()
      stopListening()
      await Promise.all([ledger.close(), registry.close()])
      await offline?.close()
    },
  }
}

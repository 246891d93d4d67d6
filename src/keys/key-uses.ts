import type { Clock } from '../core/clock.ts'
import type { KeyStore } from '../store/keys.ts'

/** When keys were last used, in memory until it is stored. */
export interface KeyUses {
  /** `at` in epoch milliseconds. */
  record(keyId: string, at: number): void
  /** Stores the uses, if the last time is long enough ago. Errors are ignored: the uses are stored the next time. */
  storeIfDue(): void
  /** Stores the remaining uses. Errors: those of the database. */
  close(): Promise<void>
}

const storeEveryMs = 2_000

export function createKeyUses(store: Pick<KeyStore, 'touch'>, clock: Clock): KeyUses {
  const used = new Map<string, number>()
  let storedAt = clock.monotonic()
  let storing: Promise<void> | undefined

  return {
    record: (keyId, at) => void used.set(keyId, at),
    storeIfDue() {
      if (clock.monotonic() - storedAt >= storeEveryMs) storeOnce().catch(() => {})
    },
    async close() {
      await storing?.catch(() => {})
      await storeOnce()
    },
  }

  /** Concurrent calls share one run. */
  function storeOnce(): Promise<void> {
    storing ??= storeAll().finally(() => {
      storing = undefined
    })
    return storing
  }

  async function storeAll(): Promise<void> {
    storedAt = clock.monotonic()
    if (used.size === 0) return
    const uses = new Map(used)
    used.clear()
    try {
      await store.touch(uses)
    } catch (thrown) {
      for (const [id, at] of uses) used.set(id, Math.max(at, used.get(id) ?? 0))
      throw thrown
    }
  }
}

import type { Clock } from '../core/clock.ts'
import { DatabaseError } from './errors.ts'

/** As long as connecting may take: see `openPostgres`. */
const firstMs = 10_000
const tryEveryMs = 250

/**
 * Repeats `read` until the server answers. Without this a process that starts on a busy machine, or far from the server,
 * would end because of one late answer, which a running gateway gets over. Errors: those of `read`; those of an outage
 * once it has lasted for ten seconds.
 */
export async function firstAnswer<T>(read: () => Promise<T>, clock: Clock): Promise<T> {
  const startedAt = clock.monotonic()
  for (;;) {
    try {
      return await read()
    } catch (thrown) {
      const isOutage = thrown instanceof DatabaseError && (thrown.problem === 'late' || thrown.problem === 'away')
      if (!isOutage || clock.monotonic() - startedAt >= firstMs) throw thrown
      await new Promise<void>((resolve) => clock.after(tryEveryMs, resolve))
    }
  }
}

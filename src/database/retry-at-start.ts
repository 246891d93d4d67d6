import type { Clock } from '../core/clock.ts'
import { DatabaseError, type DatabaseProblem } from './errors.ts'

/** As long as connecting may take: see `openPostgres`. */
const startMs = 10_000
const tryEveryMs = 250

/**
 * Repeats `read` until the server answers. Without this a process that starts on a busy machine, or far from the server,
 * would end because of one late answer, which a running gateway gets over. Errors: those of `read`; those that
 * `passing` names once they have lasted for ten seconds.
 */
export async function retryAtStart<T>(
  read: () => Promise<T>,
  clock: Clock,
  passing: readonly DatabaseProblem[] = ['late', 'away'],
): Promise<T> {
  const startedAt = clock.monotonic()
  for (;;) {
    try {
      return await read()
    } catch (thrown) {
      const isPassing = thrown instanceof DatabaseError && passing.includes(thrown.problem)
      if (!isPassing || clock.monotonic() - startedAt >= startMs) throw thrown
      await new Promise<void>((resolve) => clock.after(tryEveryMs, resolve))
    }
  }
}

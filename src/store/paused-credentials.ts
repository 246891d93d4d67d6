import type { Clock } from '../core/clock.ts'
import type { SharedPauses } from '../core/shared-pauses.ts'
import { retryAtStart } from '../database/retry-at-start.ts'
import type { Database } from '../database/sql.ts'

export interface PausedCredentialsOptions {
  /** A database on PostgreSQL. */
  sql: Database
  /** The id of this process among those that share the database. */
  node: string
  clock: Clock
}

/** The paused credentials of all upstreams. */
export interface PausedCredentials {
  /** Those of one upstream, by its id. */
  of(upstream: string): SharedPauses
  /** Stores what is not stored yet, if the database can be reached. Never rejects. */
  close(): Promise<void>
}

const channel = 'zai2api_pauses'
/** A pause waits for the disk, because it must not end by a crash. */
const changeMs = 5_000
const retryMs = 1_000

/**
 * A paused credential is a row, which every gateway reads at its start and whenever another gateway has changed one, so
 * no request asks for it. Errors: those of the database at the first reading.
 */
export async function pausedCredentials({ sql, node, clock }: PausedCredentialsOptions): Promise<PausedCredentials> {
  let stored = await retryAtStart(read, clock)
  // What was changed here and is not stored yet.
  const changes = new Map<string, boolean>()
  const watchers = new Set<() => void>()
  let working = Promise.resolve()
  let isClosed = false
  let stopTimer = () => {}
  const stopListening = sql.listen(channel, (payload) => {
    if (payload !== node) void work()
  })

  return {
    of: (upstream) => ({
      isPaused(credential) {
        const name = `${upstream}/${credential}`
        return changes.get(name) ?? stored.has(name)
      },
      set(credential, isPaused) {
        changes.set(`${upstream}/${credential}`, isPaused)
        return work()
      },
      watch(changed) {
        watchers.add(changed)
        return () => void watchers.delete(changed)
      },
    }),
    async close() {
      isClosed = true
      stopListening()
      stopTimer()
      await (changes.size > 0 ? work() : working)
    },
  }

  /** Writes the changes and reads all pauses. One run at a time, so that an earlier reading never comes last. */
  function work(): Promise<void> {
    working = working.then(writeAndRead)
    return working
  }

  async function writeAndRead(): Promise<void> {
    try {
      for (const [name, isPaused] of changes) {
        await write(name, isPaused)
        // It may have been changed again meanwhile.
        if (changes.get(name) !== isPaused) continue
        if (isPaused) stored.add(name)
        else stored.delete(name)
        changes.delete(name)
      }
      stored = await read()
      for (const changed of watchers) changed()
    } catch {
      // The database module reports the outage.
      stopTimer()
      if (!isClosed) stopTimer = clock.after(retryMs, () => void work())
    }
  }

  async function read(): Promise<Set<string>> {
    const rows = await sql<{ credential: string }>`SELECT credential FROM paused_credentials`
    return new Set(rows.map(({ credential }) => credential))
  }

  async function write(name: string, isPaused: boolean): Promise<void> {
    await sql.transaction(async (inside) => {
      await inside`SET LOCAL synchronous_commit = on`
      if (isPaused)
        await inside`INSERT INTO paused_credentials (credential, at)
          VALUES (${name}, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) ON CONFLICT DO NOTHING`
      else await inside`DELETE FROM paused_credentials WHERE credential = ${name}`
      await inside`SELECT pg_notify(${channel}, ${node})`
    }, changeMs)
  }
}

import type { SQL } from 'bun'
import type { Clock } from '../core/clock.ts'
import { withAnswerLimit } from './answer-limit.ts'
import { createCallSlots } from './call-slots.ts'
import { DatabaseError, databaseError } from './errors.ts'

export interface GuardedPoolOptions {
  /** Makes a pool. Called again to replace connections that are lost or silent. */
  connect: () => SQL
  /** The number of connections, which is also the number of calls at a time. */
  size: number
  /** The time limit for the answer to each step of a call. */
  answerMs: number
  /**
   * Whether the server ends statements before `answerMs`. If so, silence means a dead network. Behind PgBouncer the
   * server has no such limit, and a silent statement may be waiting for a lock.
   */
  isTimedByServer: () => boolean
  /**
   * Whether no call may have to wait until a connection is open. If so, all connections are kept from idling, and they
   * are replaced together now and then. `connect` must not limit their lifetime.
   */
  isKeptOpen: boolean
  clock: Clock
  /** Returns numbers from 0 to 1. */
  random: () => number
  /** Called when the server can no longer be reached, and when it can be again. */
  onChange: (isAway: boolean, cause: unknown) => void
}

/** Connections to a server that may be slow or stop, over a network that may drop everything. */
export interface GuardedPool {
  /**
   * Runs `work` on a connection. `work` must call `answered` at each answer of the server, because each step has its
   * own time limit. `limitMs` replaces the default limit.
   *
   * Errors: those of `work`, and `DatabaseError` `late` or `away`. While the server is known to be away, it rejects at
   * once.
   */
  run<T>(work: (pool: SQL, answered: () => void) => Promise<T>, limitMs?: number): Promise<T>
  isAway(): boolean
  close(): Promise<void>
}

/** A probe may have to open a connection, with TLS and a password. */
const probeMs = 2_000
/** How long calls that run on replaced connections may go on. */
const replacedMs = 2_000
/** How often kept connections are used. The driver closes those that have been idle for a minute. */
const keepEveryMs = 20_000
/** How long kept connections are used. */
const keptMs = 30 * 60_000
const backoff = { shortestMs: 100, longestMs: 2_000 }

/**
 * Bun's driver has no time limits: when the network goes silent, a call waits for ever, and later calls on its
 * connection fail. So all connections are replaced when a step is not answered in time, and when one is lost. While the
 * server is away, all calls fail at once, and probes with growing pauses find out when it is back.
 *
 * Calls wait for a free connection here. In the driver, the wait would count as silence of the network.
 */
export function createGuardedPool(options: GuardedPoolOptions): GuardedPool {
  const { connect, size, answerMs, isTimedByServer, isKeptOpen, clock, random, onChange } = options
  const slots = createCallSlots(size, clock)
  let pool = connect()
  let openedAt = clock.monotonic()
  let isAway = false
  // Whether new connections are tried, to find out whether those of `pool` still work.
  let isProbing = false
  let isClosed = false
  let failures = 0
  let stopBackoff = () => {}
  let stopKeeping = isKeptOpen ? clock.after(keepEveryMs, keepOpen) : () => {}

  return {
    async run(work, limitMs = answerMs) {
      if (isAway) throw new DatabaseError('away', undefined)
      const turn = slots.acquire(limitMs)
      if (turn) await turn
      try {
        const used = pool
        return await withAnswerLimit((answered) => work(used, answered), {
          ...{ clock, limitMs },
          onSilence: (error) => silent(used, error),
        })
      } catch (thrown) {
        const error = databaseError(thrown)
        if (error instanceof DatabaseError && error.problem === 'away') suspect(error)
        throw error
      } finally {
        slots.release()
      }
    },
    isAway: () => isAway,
    async close() {
      isClosed = true
      stopBackoff()
      stopKeeping()
      await pool.close({ timeout: 2 })
    },
  }

  function silent(used: SQL, error: DatabaseError): void {
    // Its connections were replaced already.
    if (used !== pool) return
    if (isTimedByServer()) goAway(error)
    else suspect(error)
  }

  /**
   * Uses each connection. Opening one takes several round trips, which would look like a silent network to a request of
   * a gateway that is far from the server. Statements that are sent together go to different connections.
   */
  function keepOpen(): void {
    stopKeeping = clock.after(keepEveryMs, keepOpen)
    if (isAway) return
    if (clock.monotonic() - openedAt >= keptMs) suspect(new DatabaseError('late', undefined))
    else for (let count = 0; count < size; count++) void keepOneOpen()
  }

  /** Takes no place of a call, because opening a connection may take long. */
  async function keepOneOpen(): Promise<void> {
    const used = pool
    try {
      await withAnswerLimit(() => used.unsafe('SELECT 1'), {
        ...{ clock, limitMs: probeMs },
        onSilence: (error) => silent(used, error),
      })
    } catch (thrown) {
      const error = databaseError(thrown)
      if (used === pool && error instanceof DatabaseError && error.problem === 'away') suspect(error)
    }
  }

  /**
   * Connections were lost, silent, or in use for long. Opens new ones: if they work, they replace the old ones,
   * otherwise the server is away.
   */
  function suspect(cause: DatabaseError): void {
    if (isAway || isProbing || isClosed) return
    isProbing = true
    const suspected = pool
    const next = connect()
    void isWritable(next, clock).then((works) => {
      isProbing = false
      if (works && suspected === pool && !isClosed) {
        use(next)
        suspected.close({ timeout: replacedMs / 1_000 }).catch(() => {})
        return
      }
      abandon(next)
      if (!works && suspected === pool) goAway(cause)
    })
  }

  function goAway(cause: unknown): void {
    if (isAway || isClosed) return
    isAway = true
    failures = 0
    abandon(pool)
    slots.rejectWaiting(new DatabaseError('away', cause))
    onChange(true, cause)
    void reconnect()
  }

  async function reconnect(): Promise<void> {
    const next = connect()
    const works = await isWritable(next, clock)
    if (isClosed || !works) abandon(next)
    if (isClosed) return
    if (works) {
      use(next)
      isAway = false
      onChange(false, undefined)
      return
    }
    const pauseMs = Math.min(backoff.longestMs, backoff.shortestMs * 2 ** failures++) * (1 + random() / 2)
    stopBackoff = clock.after(pauseMs, () => void reconnect())
  }

  function use(opened: SQL): void {
    pool = opened
    openedAt = clock.monotonic()
  }
}

/** Whether a server answers in time, and is not a standby, which cannot be written to until it is promoted. */
function isWritable(server: SQL, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const stopTimer = clock.after(probeMs, () => resolve(false))
    server
      .unsafe('SELECT pg_is_in_recovery() AS standby')
      .then(
        ([found]) => resolve(found?.standby === false),
        () => resolve(false),
      )
      .finally(stopTimer)
  })
}

function abandon(pool: SQL): void {
  pool.close({ timeout: 0 }).catch(() => {})
}

import type { SQL } from 'bun'
import type { Clock } from '../core/clock.ts'
import { withAnswerLimit } from './answer-limit.ts'
import { createCallSlots } from './call-slots.ts'
import { DatabaseError, databaseError } from './errors.ts'
import type { ServerState } from './sql.ts'

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
  /** Called with each new state of the server. */
  onChange: (state: ServerState, cause: unknown) => void
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
  state(): ServerState
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
 * server is away, all calls fail at once, and probes with growing pauses find out when it is back. A read-only server is
 * used for what can be read meanwhile.
 *
 * The old connections are kept until the first new one answers: a server that has too many clients, or is stopping,
 * refuses new ones and may serve the old ones for long.
 *
 * Calls wait for a free connection here. In the driver, the wait would count as silence of the network.
 */
export function createGuardedPool(options: GuardedPoolOptions): GuardedPool {
  const { connect, size, answerMs, isTimedByServer, isKeptOpen, clock, random, onChange } = options
  const slots = createCallSlots(size, clock)
  let pool = connect()
  let openedAt = clock.monotonic()
  let state: ServerState = 'usable'
  // New connections that are being tried.
  let candidate: SQL | undefined
  let isClosed = false
  // Attempts since the server was usable on new connections.
  let attempts = 0
  let stopBackoff = () => {}
  let stopKeeping = isKeptOpen ? clock.after(keepEveryMs, keepOpen) : () => {}

  return {
    async run(work, limitMs = answerMs) {
      if (state === 'away') throw new DatabaseError('away', undefined)
      const turn = slots.acquire(limitMs)
      if (turn) await turn
      const used = pool
      try {
        return await withAnswerLimit((answered) => work(used, answered), {
          ...{ clock, limitMs },
          onSilence: (error) => silent(used, error),
        })
      } catch (thrown) {
        const error = databaseError(thrown)
        if (error instanceof DatabaseError && error.problem === 'away') suspect(used, error)
        throw error
      } finally {
        slots.release()
      }
    },
    state: () => state,
    async close() {
      isClosed = true
      stopBackoff()
      stopKeeping()
      // A server that starts would wait for what a process that has ended began to say.
      if (candidate) abandon(candidate)
      await pool.close({ timeout: 2 })
    },
  }

  function silent(used: SQL, error: DatabaseError): void {
    // Its connections were replaced already.
    if (used !== pool || state === 'away') return
    if (isTimedByServer()) {
      enter('away', error)
      void tryServer(error)
    } else suspect(used, error)
  }

  /** Connections were lost, silent, or in use for long, or a statement could not write. */
  function suspect(used: SQL, cause: DatabaseError): void {
    if (used !== pool) return
    if (state === 'usable') void tryServer(cause)
    // Statements that write fail, and probes go on. Others have lost their connection.
    else if (state === 'read-only' && !isOfReadOnly(cause)) {
      enter('away', cause)
      void tryServer(cause)
    }
  }

  /**
   * Uses each connection, and asks whether the server can still be written to. Opening one takes several round trips,
   * which would look like a silent network to a request of a gateway that is far from the server. Statements that are
   * sent together go to different connections.
   */
  function keepOpen(): void {
    stopKeeping = clock.after(keepEveryMs, keepOpen)
    if (state === 'away') return
    if (clock.monotonic() - openedAt >= keptMs) suspect(pool, new DatabaseError('late', undefined))
    else for (let count = 0; count < size; count++) void keepOneOpen()
  }

  /** Takes no place of a call, because opening a connection may take long. */
  async function keepOneOpen(): Promise<void> {
    const used = pool
    try {
      const [found] = await withAnswerLimit(() => used.unsafe(question), {
        ...{ clock, limitMs: probeMs },
        onSilence: (error) => silent(used, error),
      })
      if (found.reads && state === 'usable') suspect(used, new DatabaseError('away', undefined))
    } catch (thrown) {
      const error = databaseError(thrown)
      if (error instanceof DatabaseError && error.problem === 'away') suspect(used, error)
    }
  }

  /**
   * Opens new connections. If they work, they replace the old ones. If the server refuses them, the old ones are used on
   * condition that all answer. Otherwise the server is away. It is tried again until new connections can be written to.
   */
  async function tryServer(cause: DatabaseError): Promise<void> {
    if (candidate || isClosed) return
    stopBackoff()
    const old = pool
    const next = connect()
    candidate = next
    let found = await probe(next, clock)
    const isReplaced = !isClosed && (found === 'usable' || (found === 'read-only' && state !== 'read-only'))
    if (isReplaced) {
      pool = next
      openedAt = clock.monotonic()
      old.close({ timeout: state === 'away' ? 0 : replacedMs / 1_000 }).catch(() => {})
    } else abandon(next)
    if (found === 'refused' && !isClosed) {
      found = await probeAll(old, size, clock)
      // The server counts them, and takes no new ones instead.
      if (found === 'unreachable') abandon(old)
    }
    candidate = undefined
    if (isClosed) return
    enter(found === 'usable' || found === 'read-only' ? found : 'away', found === 'standby' ? standbyError() : cause)
    attempts = isReplaced && found === 'usable' ? 0 : attempts + 1
    if (attempts === 0) return
    const pauseMs = Math.min(backoff.longestMs, backoff.shortestMs * 2 ** (attempts - 1)) * (1 + random() / 2)
    stopBackoff = clock.after(pauseMs, () => void tryServer(cause))
  }

  function enter(found: ServerState, cause: DatabaseError): void {
    if (isClosed || found === state) return
    state = found
    if (found === 'away') slots.rejectWaiting(new DatabaseError('away', cause))
    onChange(found, found === 'usable' ? undefined : cause)
  }
}

/** A standby is read-only, too. */
const question = "SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS reads"

type Found = 'usable' | 'read-only' | 'standby' | 'refused' | 'unreachable'

/**
 * What a server says that is asked on one connection. A standby cannot be written to until it is promoted, and what it
 * has may be old.
 */
function probe(server: SQL, clock: Clock): Promise<Found> {
  return new Promise((resolve) => {
    const stopTimer = clock.after(probeMs, () => resolve('unreachable'))
    server
      .unsafe(question)
      .then(
        ([found]) => resolve(found?.standby !== false ? 'standby' : found.reads ? 'read-only' : 'usable'),
        (thrown) => resolve(isRefusal(thrown) ? 'refused' : 'unreachable'),
      )
      .finally(stopTimer)
  })
}

/** What a server says on all connections of a pool: `unreachable` if it does not say the same on each. */
async function probeAll(server: SQL, size: number, clock: Clock): Promise<Found> {
  // If none is open, the driver would open one for each statement, which a server that starts does not need.
  const first = await probe(server, clock)
  if (first === 'refused' || first === 'unreachable') return 'unreachable'
  const others = await Promise.all(Array.from({ length: size }, () => probe(server, clock)))
  return others.every((one) => one === first) ? first : 'unreachable'
}

/** SQLSTATEs of a server that takes no new connection: too many clients, or it starts or stops. */
function isRefusal(thrown: unknown): boolean {
  return stateOf(thrown) === '53300' || stateOf(thrown) === '57P03'
}

/** SQLSTATE of a statement that writes, on a server that is read-only. */
function isOfReadOnly({ cause }: DatabaseError): boolean {
  return stateOf(cause) === '25006'
}

function stateOf(thrown: unknown): unknown {
  return thrown instanceof Error && 'errno' in thrown ? thrown.errno : undefined
}

function standbyError(): DatabaseError {
  return new DatabaseError('away', new Error('the server is a standby that is not promoted'))
}

function abandon(pool: SQL): void {
  pool.close({ timeout: 0 }).catch(() => {})
}

import type { Clock } from '../../core/clock.ts'
import type { Lease, PoolSnapshot, TicketOptions } from '../../core/credential-pool.ts'
import { cancelled, GatewayError } from '../../core/errors.ts'
import { choose } from './choose.ts'
import { endDated, firstEnd } from './cooldowns.ts'
import { createFairQueue, type Queued } from './fair-queue.ts'
import { createHeap } from './heap.ts'
import type { GrantLease } from './leases.ts'
import type { PooledCredential, PoolState } from './pooled-credential.ts'
import { type Wait, waitReason } from './wait-report.ts'
import { tookTooLong, type WaitingCall } from './waiting-call.ts'

export interface WaitQueueOptions<Credential> {
  /** The name of the upstream, for errors: `Z.AI`. */
  name: string
  state: PoolState<Credential>
  clock: Clock
  grantLease: GrantLease<Credential>
  /** Called when the timer fires, before calls are served. */
  renew: () => void
  onLongWait: ((wait: Wait) => void) | undefined
}

/** The calls that wait for a credential, and the one timer that wakes them. */
export interface WaitQueue<Credential> {
  /** Whether one more call of the caller may wait, if at most `limit` calls may wait in all. */
  admits(call: TicketOptions<Credential>, limit: number): boolean
  /**
   * Errors: `cancelled`; after `maxWaitMs` the last refusal, or `overloaded`; the error because of which the call is
   * hopeless.
   */
  wait(call: WaitingCall<Credential>, since: number, maxWaitMs: number): Promise<Lease<Credential>>
  /** Serves the calls that can be served, in their order, and rejects those that are hopeless. */
  dispatch(): void
  /** Assigns the waiting calls to groups again, after the credentials have changed. */
  regroup(): void
  rejectAll(error: GatewayError): void
  snapshot(now: number): PoolSnapshot['queue']
  /** The calls that wait. */
  calls(): TicketOptions<Credential>[]
}

const never = Number.POSITIVE_INFINITY
/** A call is reported after it has waited this long, over all its attempts. */
const reportAfterMs = 3_000

interface Waiter<Credential> extends Queued {
  call: WaitingCall<Credential>
  since: number
  deadline: number
  /** When the call is reported as waiting for long or, after that, when it gives up. */
  due: number
  settle(outcome: Lease<Credential> | GatewayError): void
}

/**
 * Callers take turns, and the calls of one caller are served in their order. A dispatch checks only the first call of
 * each group, because thousands may wait.
 */
export function createWaitQueue<Credential>(options: WaitQueueOptions<Credential>): WaitQueue<Credential> {
  const { name, state, clock, grantLease, renew, onLongWait } = options
  const queue = createFairQueue<Waiter<Credential>>()
  // The same calls in a heap, of which the next to become due is the first.
  const waiting = createHeap<Waiter<Credential>>((left, right) => left.due - right.due || left.number - right.number)
  // The timer for `nextChange`; `timerAt` is `never` while none runs.
  let stopTimer = () => {}
  let timerAt = never

  return {
    admits: ({ caller, isBackground = false }, limit) => queue.admits({ caller, isBackground }, limit),
    wait,
    dispatch,
    regroup: () => queue.regroup(({ call }) => groupOf(call.options)),
    rejectAll(error) {
      for (const waiter of [...waiting.all()]) waiter.settle(error)
      setTimer(clock.monotonic())
    },
    snapshot: (now) => ({
      length: waiting.all().length,
      oldestMs: waiting.all().reduce((oldest, { since }) => Math.max(oldest, now - since), 0),
    }),
    calls: () => waiting.all().map(({ call }) => call.options),
  }

  function wait(call: WaitingCall<Credential>, since: number, maxWaitMs: number): Promise<Lease<Credential>> {
    const { signal, annotate, caller, isBackground = false, onWait } = call.options
    const deadline = since + maxWaitMs
    const reportAt = since + Math.max(0, reportAfterMs - call.waitedMs)
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        waiter.settle(cancelled())
        setTimer(clock.monotonic())
      }
      const waiter: Waiter<Credential> = {
        call,
        caller,
        isBackground,
        group: groupOf(call.options),
        number: call.number,
        turn: call.turn,
        since,
        deadline,
        due: call.isReported ? deadline : Math.min(deadline, reportAt),
        settle(outcome) {
          signal.removeEventListener('abort', onAbort)
          waiting.remove(waiter)
          const ms = clock.monotonic() - since
          call.waitedMs += ms
          if (outcome instanceof GatewayError) {
            queue.remove(waiter)
            return reject(outcome)
          }
          queue.serve(waiter)
          call.turn = waiter.turn
          if (ms >= 1_000) annotate(`waited ${Math.round(ms / 1000)} s for ${outcome.id}`)
          resolve(outcome)
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      queue.add(waiter)
      waiting.add(waiter)
      setTimer(since)
      onWait?.(() => ({ n: queue.positions()(waiter), of: waiting.all().length }))
    })
  }

  /** The credentials a call accepts, and its model: calls of one group can be served by the same credentials. */
  function groupOf({ model, accepts }: TicketOptions<Credential>): string {
    return `${state.credentials.map(({ credential }) => (accepts(credential) ? '+' : '-')).join('')} ${model}`
  }

  function dispatch(): void {
    if (waiting.first() === undefined) return
    const now = clock.monotonic()
    for (let next = nextServed(now); next !== undefined; next = nextServed(now)) {
      const { waiter, chosen } = next
      waiter.settle(chosen instanceof GatewayError ? chosen : grantLease(chosen, waiter.call))
    }
    const long: Waiter<Credential>[] = []
    for (let next = waiting.first(); next !== undefined && next.due <= now; next = waiting.first()) {
      if (next.deadline <= now) next.settle(tookTooLong(next.call, name))
      else long.push(postponed(next))
    }
    if (long.length > 0) reportWaits(long, now)
    setTimer(now)
  }

  /** The first call, among the heads of all groups, that can be served or has to be rejected. */
  function nextServed(now: number) {
    let next: { waiter: Waiter<Credential>; chosen: PooledCredential<Credential> | GatewayError } | undefined
    for (const waiter of queue.heads()) {
      if (next !== undefined && queue.precedes(next.waiter, waiter)) continue
      const chosen = choose(state, waiter.call.options, now)
      if (chosen !== undefined) next = { waiter, chosen }
    }
    return next
  }

  /** Marks a call as reported: it is due again at its deadline. */
  function postponed(waiter: Waiter<Credential>): Waiter<Credential> {
    waiting.remove(waiter)
    waiter.due = waiter.deadline
    waiting.add(waiter)
    waiter.call.isReported = true
    return waiter
  }

  function reportWaits(waiters: readonly Waiter<Credential>[], now: number): void {
    const positionOf = queue.positions()
    for (const waiter of waiters)
      onLongWait?.({
        position: positionOf(waiter),
        because: waitReason(state, waiter.call),
        leftMs: waiter.deadline - now,
      })
  }

  /**
   * Sets the timer for the next change. It may fire early, and is then set again. `now` is when the credentials were last
   * looked at, so that no cooldown ends unseen in between.
   */
  function setTimer(now: number): void {
    const at = nextChange(now)
    if (at !== never && at >= timerAt) return
    stopTimer()
    timerAt = at
    stopTimer = at === never ? () => {} : clock.after(Math.max(0, at - now), onTimer)
  }

  /** When the next call is due, or the next cooldown ends. */
  function nextChange(now: number): number {
    const first = waiting.first()
    if (first === undefined) return never
    return Math.min(
      first.due,
      firstEnd(state.overloadedModels, now),
      ...state.credentials.map(({ cooldowns }) => firstEnd(cooldowns, now)),
    )
  }

  function onTimer(): void {
    timerAt = never
    for (const { cooldowns } of state.credentials) endDated(cooldowns, clock)
    renew()
    dispatch()
  }
}

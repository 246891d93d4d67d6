import type { Clock } from '../../core/clock.ts'
import type { Lease, Pool } from '../../core/credential-pool.ts'
import { cancelled, GatewayError } from '../../core/errors.ts'
import type { SharedCapacity } from '../../core/shared-capacity.ts'
import type { SharedPauses } from '../../core/shared-pauses.ts'
import { choose, unavailableError } from './choose.ts'
import { poolControl, usePauses } from './control.ts'
import { allModels, endDated } from './cooldowns.ts'
import { type GrantLease, leases } from './leases.ts'
import { newPooledCredential, type PoolState, snapshotOf } from './pooled-credential.ts'
import { type SharedCooldowns, shareCooldowns } from './shared-cooldowns.ts'
import { type SharedLimits, shareLimits } from './shared-limits.ts'
import { createWaitQueue } from './wait-queue.ts'
import type { Wait } from './wait-report.ts'
import { newWaitingCall, tookTooLong, tooMany, type WaitingCall } from './waiting-call.ts'

export type { Wait } from './wait-report.ts'

export interface PoolOptions {
  /** The name of the upstream, for errors: `Z.AI`. */
  name: string
  clock: Clock
  /** Returns numbers from 0 to 1. */
  random: () => number
  limits: () => QueueLimits
  /**
   * The most calls at a time under a new credential, for all models together, until a refusal shows how many it allows.
   * `Infinity` if refusals are harmless: the first one then sets the limit of its model or credential.
   */
  startLimit: number
  /** The use of the same credentials by other gateways, if there are any. */
  capacity?: SharedCapacity | undefined
  /** What the operator has paused, if other gateways are to know. */
  pauses?: SharedPauses | undefined
  /** Called once for each call that waits for long. */
  onLongWait?: (wait: Wait) => void
  /** Called with the ids of credentials whose share ended while calls were under way. */
  onLapse?: (credentials: readonly string[]) => void
}

export interface QueueLimits {
  /** The most calls that may wait. Any further call is refused at once. */
  queueLimit: number
  /** Longest wait of one call, all its attempts together. */
  queueMs: number
}

/**
 * Lends credentials to calls, never more at a time than the upstream allows for each credential. Callers take turns,
 * and the calls of one caller are served in their order.
 *
 * Upstreams do not publish these limits, so they are learned, for each credential and model, and for each credential as
 * a whole. A limit grows while answers come, and a refusal sets it to the number of calls that were not refused
 * (additive increase, as in congestion control). If a call is refused although no other is running, its credential or
 * model cools down and is then probed by one call. Calls that only suspended credentials could serve are refused at
 * once instead of waiting. If no call waits, a lease costs one check of each credential.
 *
 * No library is used, because libraries queue for one fixed limit (p-queue, bottleneck) or implement one circuit
 * breaker (cockatiel). Here calls wait for several credentials whose limits change, and a refused call keeps its place.
 */
export function createPool<Credential>(options: PoolOptions): Pool<Credential> {
  const { name, clock, random, limits, startLimit, capacity, pauses, onLongWait, onLapse } = options
  const state: PoolState<Credential> = { credentials: [], history: [], overloadedModels: new Map(), running: new Set() }
  const onChange = () => {
    // If the process was stopped for a while, other gateways may have its shares.
    shared?.renew()
    queue.dispatch()
  }
  const grantLease: GrantLease<Credential> = leases({
    ...{ state, clock, random, onChange, shared: () => shared, sharedCooldowns: () => sharedCooldowns },
  })
  const queue = createWaitQueue({ name, state, clock, grantLease, renew: () => shared?.renew(), onLongWait })
  const shared: SharedLimits | undefined =
    capacity && shareLimits({ state, capacity, clock, startLimit, waiting: queue.calls, onChange, onLapse })
  const sharedCooldowns: SharedCooldowns | undefined =
    capacity && shareCooldowns({ state, capacity, clock, onChange, onLapse: (lease) => shared?.lapsed(lease) })
  const stopWatchingPauses = pauses?.watch(() => usePauses(pauses, { state, clock, onChange }))
  // The number of the last ticket.
  let tickets = 0
  // The error for all calls once the pool is closed.
  let closed: GatewayError | undefined

  return {
    setMembers(members) {
      const known = new Map(state.credentials.map((pooled) => [pooled.member.secret, pooled]))
      state.credentials = members.map((member) => {
        const pooled = known.get(member.secret)
        if (pooled === undefined) return newPooledCredential(member, shared ? 0 : startLimit, pauses)
        pooled.member = member
        for (const cooldown of pooled.cooldowns.values()) cooldown.until = clock.monotonic()
        return pooled
      })
      shared?.renew()
      queue.regroup()
      queue.dispatch()
      return state.credentials.map(({ credential }) => credential)
    },
    ticket(ticketOptions) {
      const call = newWaitingCall(++tickets, ticketOptions, onLongWait === undefined)
      return { lease: () => lease(call) }
    },
    close(error) {
      closed = error
      queue.rejectAll(error)
      shared?.close()
      sharedCooldowns?.close()
      stopWatchingPauses?.()
    },
    availabilityError: () =>
      state.credentials.length > 0 ? unavailableError(state.credentials, allModels, clock.monotonic()) : undefined,
    snapshot() {
      const now = clock.monotonic()
      return { credentials: state.credentials.map((pooled) => snapshotOf(pooled, now)), queue: queue.snapshot(now) }
    },
    credentialOf: (id) => state.credentials.find((pooled) => pooled.id === id)?.credential,
    control: poolControl({
      ...{ state, clock, onChange, sharedCooldowns: () => sharedCooldowns, pauses },
      waitingModels: () => queue.calls().map(({ model }) => model),
    }),
  }

  function lease(call: WaitingCall<Credential>): Promise<Lease<Credential>> {
    if (call.options.signal.aborted) return Promise.reject(cancelled())
    if (closed !== undefined) return Promise.reject(closed)
    for (const { cooldowns } of state.credentials) endDated(cooldowns, clock)
    const isNew = !call.hasQueued
    call.hasQueued = true
    shared?.renew()
    // The timer may be late, so calls that wait are served first.
    queue.dispatch()
    const now = clock.monotonic()
    const chosen = choose(state, call.options, now)
    if (chosen instanceof GatewayError) return Promise.reject(chosen)
    if (chosen !== undefined) return Promise.resolve(grantLease(chosen, call))
    const { queueLimit, queueMs } = limits()
    if (call.waitedMs >= queueMs) return Promise.reject(tookTooLong(call, name))
    if (isNew && !queue.admits(call.options, queueLimit)) return Promise.reject(tooMany(name))
    const lease = queue.wait(call, now, queueMs - call.waitedMs)
    shared?.wanted()
    return lease
  }
}

import type { Clock } from '../../core/clock.ts'
import type { CredentialSnapshot, Lease, Member, Pool, Refusal, TicketOptions } from '../../core/credential-pool.ts'
import { cancelled, GatewayError } from '../../core/errors.ts'
import { type Concurrency, createConcurrency, hasRoom, lowerLimit, raiseLimit } from './concurrency.ts'
import {
  allModels,
  type BlockReason,
  block,
  type Cooldowns,
  cooldownsFor,
  errorNow,
  firstEnd,
  isCoolingDown,
  isSuspension,
  longCooldown,
  shortCooldown,
} from './cooldowns.ts'
import { createFairQueue, type Queued } from './fair-queue.ts'
import { createHeap } from './heap.ts'

export interface PoolOptions {
  /** Who is waited for, in errors: `Z.AI`. */
  name: string
  clock: Clock
  /** From 0 to 1. */
  random: () => number
  limits: () => QueueLimits
  /**
   * Calls at a time that are tried under a new credential, for all models together, before a refusal has taught how many
   * it allows. `Infinity` where a refusal does no harm: then the first one sets it, for what it is about.
   */
  startLimit: number
  /** Hears of each call that waits for long, once. */
  onLongWait?: (wait: Wait) => void
}

export interface QueueLimits {
  /** Calls that may wait; one more is refused at once. */
  queueLimit: number
  /** Longest wait of one call, all its attempts together. */
  queueMs: number
}

/** A call that has waited for `reportAfterMs` in all. */
export interface Wait {
  /** 1 for the next. */
  position: number
  /** The code of the refusal that holds it up, or that everybody is busy. */
  because: string
  /** Until it gives up. */
  leftMs: number
}

const never = Number.POSITIVE_INFINITY
const reportAfterMs = 3_000
/** Models of a credential whose limits are remembered: names that clients make up must not fill the memory. */
const mostModels = 100

interface PooledCredential<Credential> {
  member: Member<Credential>
  credential: Credential
  /** All its calls. */
  total: Concurrency
  /** By model: those under way, and those with a limit of their own. */
  models: Map<string, Concurrency>
  /** Number of its last lease: who has rested longest is next. */
  lastLease: number
  cooldowns: Cooldowns
}

/** One call, over all its attempts. */
interface PoolCall<Credential> {
  /** Its place among the calls of its caller. */
  number: number
  /** The turn of its caller that it was served in last. */
  turn: number | undefined
  options: TicketOptions<Credential>
  waitedMs: number
  /** Has asked before: nobody finds the line too long who was in it. */
  hasQueued: boolean
  isReported: boolean
  /** Why it had to come back: better advice than that it has waited long. */
  refusal: GatewayError | undefined
}

interface Waiter<Credential> extends Queued {
  call: PoolCall<Credential>
  since: number
  deadline: number
  /** When time changes something for it: it is told of, or it gives up. */
  due: number
  settle(outcome: Lease<Credential> | GatewayError): void
}

/**
 * Lends credentials to calls: never more at a time than the upstream allows each, in turn among callers, and first come,
 * first served among the calls of one.
 *
 * How many that is nobody publishes, so it is learned, for each credential and model, and for each credential as a whole:
 * it grows while answers come, and a refusal sets it to the calls that were not refused (additive increase, as in
 * congestion control). What is refused although alone rests and is then tried by one call; what is parked turns calls
 * away at once instead of making them wait.
 *
 * Every call that comes or goes looks at the first of each group only, for thousands may wait; and where nobody waits,
 * it costs a look at each seat.
 *
 * Own code, because libraries queue for one fixed limit (p-queue, bottleneck) or break one circuit (cockatiel): here
 * calls wait for several credentials whose limits move, and a refused call keeps its place.
 */
export function createPool<Credential>(options: PoolOptions): Pool<Credential> {
  const { name, clock, random, limits, startLimit, onLongWait } = options
  let pooledCredentials: PooledCredential<Credential>[] = []
  // A model that is overloaded is so for every credential.
  const overloadedModels: Cooldowns = new Map()
  const queue = createFairQueue<Waiter<Credential>>()
  // The same calls, by when time changes something for them.
  const waiting = createHeap<Waiter<Credential>>((left, right) => left.due - right.due || left.number - right.number)
  let tickets = 0
  let leases = 0
  let stopTimer = () => {}
  let timerAt = never
  let closed: GatewayError | undefined

  return {
    setMembers(members) {
      const known = new Map(pooledCredentials.map((pooled) => [pooled.member.secret, pooled]))
      pooledCredentials = members.map((member) => {
        const pooled = known.get(member.secret)
        if (pooled === undefined) return newPooledCredential(member, startLimit)
        pooled.member = member
        for (const cooldown of pooled.cooldowns.values()) cooldown.until = clock.monotonic()
        return pooled
      })
      queue.regroup(({ call }) => groupOf(call.options))
      dispatch()
      return pooledCredentials.map(({ credential }) => credential)
    },
    ticket(options) {
      const number = ++tickets
      const isReported = onLongWait === undefined
      const call = { number, turn: undefined, options, waitedMs: 0, hasQueued: false, isReported, refusal: undefined }
      return { lease: () => lease(call) }
    },
    close(error) {
      closed = error
      for (const waiter of [...waiting.all()]) waiter.settle(error)
      setTimer(clock.monotonic())
    },
    availabilityError: () =>
      pooledCredentials.length > 0 ? unavailableError(pooledCredentials, allModels, clock.monotonic()) : undefined,
    snapshot() {
      const now = clock.monotonic()
      const oldestMs = waiting.all().reduce((oldest, { since }) => Math.max(oldest, now - since), 0)
      return {
        credentials: pooledCredentials.map((pooled) => snapshotOf(pooled, now)),
        queue: { length: waiting.all().length, oldestMs },
      }
    },
  }

  function lease(call: PoolCall<Credential>): Promise<Lease<Credential>> {
    if (call.options.signal.aborted) return Promise.reject(cancelled())
    if (closed !== undefined) return Promise.reject(closed)
    openDated()
    const isNew = !call.hasQueued
    call.hasQueued = true
    // The timer may be late: whoever waits goes first.
    dispatch()
    const now = clock.monotonic()
    const chosen = choose(call.options, now)
    if (chosen instanceof GatewayError) return Promise.reject(chosen)
    if (chosen !== undefined) return Promise.resolve(grantLease(chosen, call))
    const { queueLimit, queueMs } = limits()
    if (call.waitedMs >= queueMs) return Promise.reject(tookTooLong(call, name))
    if (isNew && !queue.admits(call.options.caller, queueLimit)) return Promise.reject(tooMany(name))
    return wait(call, now, queueMs - call.waitedMs)
  }

  function wait(call: PoolCall<Credential>, since: number, maxWaitMs: number): Promise<Lease<Credential>> {
    const { signal, annotate, caller } = call.options
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
    })
  }

  function groupOf({ model, accepts }: TicketOptions<Credential>): string {
    return `${pooledCredentials.map(({ credential }) => (accepts(credential) ? '+' : '-')).join('')} ${model}`
  }

  /** Serves whoever can be served, in their order, and sends away whom nothing can help. */
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

  function nextServed(now: number) {
    let next: { waiter: Waiter<Credential>; chosen: PooledCredential<Credential> | GatewayError } | undefined
    for (const waiter of queue.heads()) {
      if (next !== undefined && queue.precedes(next.waiter, waiter)) continue
      const chosen = choose(waiter.call.options, now)
      if (chosen !== undefined) next = { waiter, chosen }
    }
    return next
  }

  /** Nothing more happens to it before its deadline. */
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
        because: waitReason(waiter.call),
        leftMs: waiter.deadline - now,
      })
  }

  function waitReason({ refusal, options }: PoolCall<Credential>): string {
    const { model, accepts } = options
    const cooldown = [overloadedModels, ...accepting(accepts).map(({ cooldowns }) => cooldowns)].flatMap((cooldowns) =>
      cooldownsFor(cooldowns, model),
    )[0]
    return (refusal ?? cooldown?.error)?.code ?? 'all credentials busy'
  }

  /**
   * For the next change, or before: one that rings in vain is set anew. `now` is when seats were last looked at, so that
   * nothing is over in between.
   */
  function setTimer(now: number): void {
    const at = nextChange(now)
    if (at !== never && at >= timerAt) return
    stopTimer()
    timerAt = at
    stopTimer = at === never ? () => {} : clock.after(Math.max(0, at - now), onTimer)
  }

  /** When something changes by itself for somebody who waits. */
  function nextChange(now: number): number {
    const first = waiting.first()
    if (first === undefined) return never
    return Math.min(
      first.due,
      firstEnd(overloadedModels, now),
      ...pooledCredentials.map(({ cooldowns }) => firstEnd(cooldowns, now)),
    )
  }

  function onTimer(): void {
    timerAt = never
    openDated()
    dispatch()
  }

  /** Who serves a call, or why nobody ever will; `undefined` where it has to wait. */
  function choose(
    options: TicketOptions<Credential>,
    now: number,
  ): PooledCredential<Credential> | GatewayError | undefined {
    const { model, accepts, noneAccepts } = options
    let chosen: PooledCredential<Credential> | undefined
    let rank: number | undefined
    let isAccepted = false
    for (const pooled of pooledCredentials) {
      if (!accepts(pooled.credential)) continue
      isAccepted = true
      if (isSuspended(pooled, model, now) || (rank !== undefined && pooled.member.rank > rank)) continue
      if (pooled.member.rank !== rank) chosen = undefined
      rank = pooled.member.rank
      if (!hasRoomFor(pooled, model) || isCoolingDown(pooled.cooldowns, model, now)) continue
      if (chosen === undefined || isNext(pooled, chosen, model)) chosen = pooled
    }
    if (!isAccepted) return noneAccepts()
    if (rank === undefined) return unavailableError(accepting(accepts), model, now)
    return isCoolingDown(overloadedModels, model, now) ? undefined : chosen
  }

  function accepting(accepts: (credential: Credential) => boolean): PooledCredential<Credential>[] {
    return pooledCredentials.filter(({ credential }) => accepts(credential))
  }

  function unavailableError(
    candidates: readonly PooledCredential<Credential>[],
    model: string,
    now: number,
  ): GatewayError | undefined {
    const suspensions = candidates.map(({ cooldowns }) =>
      cooldownsFor(cooldowns, model).find((cooldown) => isSuspension(cooldown, now)),
    )
    const errors = suspensions.flatMap((cooldown) => (cooldown === undefined ? [] : [errorNow(cooldown, now)]))
    if (errors.length < suspensions.length) return undefined
    // The one that says when it is over gives the best advice.
    return errors.toSorted((left, right) => waitOf(left) - waitOf(right))[0]
  }

  function grantLease(pooled: PooledCredential<Credential>, call: PoolCall<Credential>): Lease<Credential> {
    const { model } = call.options
    const ofModel = pooled.models.get(model) ?? createConcurrency(never)
    pooled.models.set(model, ofModel)
    pooled.total.inFlight++
    ofModel.inFlight++
    pooled.lastLease = ++leases
    // Bars that are still here are over in time: this call is their trial.
    const halfOpen =
      overloadedModels.size + pooled.cooldowns.size > 0
        ? [...cooldownsFor(overloadedModels, model), ...cooldownsFor(pooled.cooldowns, model)]
        : []
    for (const cooldown of halfOpen) cooldown.isHalfOpen = true
    let out = true

    return {
      id: pooled.member.id,
      credential: pooled.credential,
      reportSuccess() {
        endCooldowns(overloadedModels)
        endCooldowns(pooled.cooldowns)
        if (out) for (const concurrency of [pooled.total, ofModel]) raiseLimit(concurrency, clock.monotonic())
        dispatch()
      },
      reportFailure(refusal, error, forMs) {
        if (refusal !== 'invalid-credential' && refusal !== 'model-unavailable') call.refusal = error
        if (!out) return
        recordFailure(pooled, ofModel, model, { refusal, error, forMs })
        release()
      },
      release,
    }

    function endCooldowns(cooldowns: Cooldowns): void {
      if (cooldowns.size === 0) return
      for (const name of [allModels, model]) {
        const cooldown = cooldowns.get(name)
        if (cooldown !== undefined && (halfOpen.includes(cooldown) || cooldown.until <= clock.monotonic()))
          cooldowns.delete(name)
      }
    }

    function release(): void {
      if (!out) return
      out = false
      pooled.total.inFlight--
      ofModel.inFlight--
      if (ofModel.inFlight === 0 && ofModel.limit === never) pooled.models.delete(model)
      for (const cooldown of halfOpen) cooldown.isHalfOpen = false
      dispatch()
    }
  }

  function recordFailure(
    pooled: PooledCredential<Credential>,
    ofModel: Concurrency,
    model: string,
    { refusal, error, forMs }: { refusal: Refusal; error: GatewayError; forMs: number | undefined },
  ): void {
    const now = clock.monotonic()
    switch (refusal) {
      case 'concurrency-limited':
        lowerLimit(ofModel, now)
        forgetOne(pooled.models)
        // Where others are under way, one of them has to end first; alone, only time helps.
        if (ofModel.inFlight === 1) cooldown(pooled.cooldowns, model, { error, cooldown: shortCooldown })
        return
      case 'account-concurrency-limited':
        lowerLimit(pooled.total, now)
        if (pooled.total.inFlight === 1) cooldown(pooled.cooldowns, allModels, { error, cooldown: shortCooldown })
        return
      case 'model-overloaded':
        lowerLimit(ofModel, now)
        forgetOne(pooled.models)
        cooldown(overloadedModels, model, { error, cooldown: shortCooldown })
        return
      case 'invalid-credential':
        cooldown(pooled.cooldowns, allModels, { error, cooldown: longCooldown, forMs })
        return
      case 'model-unavailable':
        cooldown(pooled.cooldowns, model, { error, cooldown: longCooldown, forMs })
        return
      default:
        refusal satisfies never
    }
  }

  function cooldown(cooldowns: Cooldowns, name: string, reason: BlockReason): void {
    block(cooldowns, name, reason, { now: clock.monotonic(), date: clock.now(), random })
  }

  /** A laptop that slept has missed hours on the clock for durations; a date that has come says so all the same. */
  function openDated(): void {
    const date = clock.now()
    for (const { cooldowns } of pooledCredentials)
      for (const cooldown of cooldowns.values())
        if (cooldown.overAt !== undefined && cooldown.overAt <= date)
          cooldown.until = Math.min(cooldown.until, clock.monotonic())
  }
}

function newPooledCredential<Credential>(member: Member<Credential>, limit: number): PooledCredential<Credential> {
  return {
    member,
    credential: member.create(),
    total: createConcurrency(limit),
    models: new Map(),
    lastLease: 0,
    cooldowns: new Map(),
  }
}

function hasRoomFor<Credential>({ total, models }: PooledCredential<Credential>, model: string): boolean {
  const ofModel = models.get(model)
  return hasRoom(total) && (ofModel === undefined || hasRoom(ofModel))
}

/** Fewer calls of the model under way, then fewer in all, then the longer rest. */
function isNext<Credential>(
  pooled: PooledCredential<Credential>,
  other: PooledCredential<Credential>,
  model: string,
): boolean {
  const order =
    (pooled.models.get(model)?.inFlight ?? 0) - (other.models.get(model)?.inFlight ?? 0) ||
    pooled.total.inFlight - other.total.inFlight ||
    pooled.lastLease - other.lastLease
  return order < 0
}

/** Beyond `mostModels`, the model whose limit was learned longest ago and that nobody uses. */
function forgetOne(models: Map<string, Concurrency>): void {
  if (models.size <= mostModels) return
  const idle = [...models].filter(([, { inFlight }]) => inFlight === 0)
  const [oldest] = idle.toSorted(([, left], [, right]) => (left.limitedAt ?? 0) - (right.limitedAt ?? 0))
  if (oldest !== undefined) models.delete(oldest[0])
}

function isSuspended<Credential>({ cooldowns }: PooledCredential<Credential>, model: string, now: number): boolean {
  return cooldowns.size > 0 && cooldownsFor(cooldowns, model).some((cooldown) => isSuspension(cooldown, now))
}

function snapshotOf<Credential>(pooled: PooledCredential<Credential>, now: number): CredentialSnapshot {
  const { member, total, models, cooldowns } = pooled
  const cooldown = cooldowns.get(allModels)
  const coolingDown = [...cooldowns].filter(([name, { until }]) => name !== allModels && until > now)
  return {
    id: member.id,
    state:
      cooldown === undefined ? 'ready' : cooldown.until <= now ? 'trial' : cooldown.isSuspended ? 'parked' : 'cooling',
    inFlight: total.inFlight,
    limit: total.limit,
    limits: Object.fromEntries(
      [...models].flatMap(([name, { limit }]) => (limit === never ? [] : [[name, limit] as const])),
    ),
    ...(cooldown !== undefined && cooldown.until > now ? { waitingMs: cooldown.until - now } : {}),
    withoutModels: coolingDown.flatMap(([name, { isSuspended }]) => (isSuspended ? [name] : [])),
    coolingModels: Object.fromEntries(
      coolingDown.flatMap(([name, { isSuspended, until }]) => (isSuspended ? [] : [[name, until - now] as const])),
    ),
  }
}

function waitOf({ retryAfterMs }: GatewayError): number {
  return retryAfterMs ?? Number.POSITIVE_INFINITY
}

function tooMany(name: string): GatewayError {
  return new GatewayError(
    'overloaded',
    `Too many requests wait for ${name} already. Try again in a moment, add keys, or raise QUEUE_LIMIT.`,
    { code: 'queue_full', retryAfterMs: 15_000 },
  )
}

function tookTooLong<Credential>({ refusal }: PoolCall<Credential>, name: string): GatewayError {
  if (refusal !== undefined) return refusal
  return new GatewayError(
    'overloaded',
    `${name} had no room for this request in time. Send fewer at a time, add keys, or raise QUEUE_MS.`,
    { code: 'queue_timeout', retryAfterMs: 15_000 },
  )
}

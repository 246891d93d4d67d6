import type { Clock } from '../core/clock.ts'
import { cancelled, GatewayError } from '../core/errors.ts'
import type { CredentialSnapshot, Lease, Member, Pool, Refusal, TurnOptions } from '../core/pool.ts'
import {
  type Bars,
  barsFor,
  errorNow,
  everything,
  firstEnd,
  isClosed,
  isParking,
  parking,
  putUp,
  type Reason,
  resting,
} from './bars.ts'
import { type Concurrency, createConcurrency, hasRoom, lowerLimit, raiseLimit } from './concurrency.ts'
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
  tell?: (wait: Wait) => void
}

export interface QueueLimits {
  /** Calls that may wait; one more is refused at once. */
  queueLimit: number
  /** Longest wait of one call, all its attempts together. */
  queueMs: number
}

/** A call that has waited for `tellMs` in all. */
export interface Wait {
  /** 1 for the next. */
  position: number
  /** The code of the refusal that holds it up, or that everybody is busy. */
  because: string
  /** Until it gives up. */
  leftMs: number
}

const never = Number.POSITIVE_INFINITY
const tellMs = 3_000
/** Models of a credential whose limits are remembered: names that clients make up must not fill the memory. */
const mostModels = 100

interface Seat<Credential> {
  member: Member<Credential>
  credential: Credential
  /** All its calls. */
  total: Concurrency
  /** By model: those under way, and those with a limit of their own. */
  models: Map<string, Concurrency>
  /** Number of its last lease: who has rested longest is next. */
  lastLease: number
  bars: Bars
}

/** One call, over all its attempts. */
interface Call<Credential> {
  /** Its place among the calls of its caller. */
  number: number
  /** The turn of its caller that it was served in last. */
  turn: number | undefined
  options: TurnOptions<Credential>
  waitedMs: number
  /** Has asked before: nobody finds the line too long who was in it. */
  admitted: boolean
  told: boolean
  /** Why it had to come back: better advice than that it has waited long. */
  refusal: GatewayError | undefined
}

interface Waiter<Credential> extends Queued {
  call: Call<Credential>
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
  const { name, clock, random, limits, startLimit, tell } = options
  let seats: Seat<Credential>[] = []
  // A model that is overloaded is so for every credential.
  const overloads: Bars = new Map()
  const queue = createFairQueue<Waiter<Credential>>()
  // The same calls, by when time changes something for them.
  const waiting = createHeap<Waiter<Credential>>((left, right) => left.due - right.due || left.number - right.number)
  let turns = 0
  let leases = 0
  let stopTimer = () => {}
  let timerAt = never
  let closed: GatewayError | undefined

  return {
    admit(members) {
      const known = new Map(seats.map((seat) => [seat.member.secret, seat]))
      seats = members.map((member) => {
        const seat = known.get(member.secret)
        if (seat === undefined) return newSeat(member, startLimit)
        seat.member = member
        for (const bar of seat.bars.values()) bar.until = clock.monotonic()
        return seat
      })
      queue.regroup(({ call }) => groupOf(call.options))
      pump()
      return seats.map(({ credential }) => credential)
    },
    turn(options) {
      const number = ++turns
      const told = tell === undefined
      const call = { number, turn: undefined, options, waitedMs: 0, admitted: false, told, refusal: undefined }
      return { lease: () => lease(call) }
    },
    close(error) {
      closed = error
      for (const waiter of [...waiting.all()]) waiter.settle(error)
      setTimer(clock.monotonic())
    },
    verdict: () => (seats.length > 0 ? reasonToGo(seats, everything, clock.monotonic()) : undefined),
    snapshot() {
      const now = clock.monotonic()
      const oldestMs = waiting.all().reduce((oldest, { since }) => Math.max(oldest, now - since), 0)
      return {
        credentials: seats.map((seat) => snapshotOf(seat, now)),
        queue: { length: waiting.all().length, oldestMs },
      }
    },
  }

  function lease(call: Call<Credential>): Promise<Lease<Credential>> {
    if (call.options.signal.aborted) return Promise.reject(cancelled())
    if (closed !== undefined) return Promise.reject(closed)
    openDated()
    const isNew = !call.admitted
    call.admitted = true
    // The timer may be late: whoever waits goes first.
    pump()
    const now = clock.monotonic()
    const chosen = choose(call.options, now)
    if (chosen instanceof GatewayError) return Promise.reject(chosen)
    if (chosen !== undefined) return Promise.resolve(lend(chosen, call))
    const { queueLimit, queueMs } = limits()
    if (call.waitedMs >= queueMs) return Promise.reject(tookTooLong(call, name))
    if (isNew && !queue.admits(call.options.caller, queueLimit)) return Promise.reject(tooMany(name))
    return wait(call, now, queueMs - call.waitedMs)
  }

  function wait(call: Call<Credential>, since: number, patienceMs: number): Promise<Lease<Credential>> {
    const { signal, annotate: note, caller } = call.options
    const deadline = since + patienceMs
    const toldAt = since + Math.max(0, tellMs - call.waitedMs)
    return new Promise((resolve, reject) => {
      const leave = () => {
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
        due: call.told ? deadline : Math.min(deadline, toldAt),
        settle(outcome) {
          signal.removeEventListener('abort', leave)
          waiting.remove(waiter)
          const ms = clock.monotonic() - since
          call.waitedMs += ms
          if (outcome instanceof GatewayError) {
            queue.remove(waiter)
            return reject(outcome)
          }
          queue.serve(waiter)
          call.turn = waiter.turn
          if (ms >= 1_000) note(`waited ${Math.round(ms / 1000)} s for ${outcome.id}`)
          resolve(outcome)
        },
      }
      signal.addEventListener('abort', leave, { once: true })
      queue.add(waiter)
      waiting.add(waiter)
      setTimer(since)
    })
  }

  function groupOf({ model, fits }: TurnOptions<Credential>): string {
    return `${seats.map(({ credential }) => (fits(credential) ? '+' : '-')).join('')} ${model}`
  }

  /** Serves whoever can be served, in their order, and sends away whom nothing can help. */
  function pump(): void {
    if (waiting.first() === undefined) return
    const now = clock.monotonic()
    for (let next = nextServed(now); next !== undefined; next = nextServed(now)) {
      const { waiter, chosen } = next
      waiter.settle(chosen instanceof GatewayError ? chosen : lend(chosen, waiter.call))
    }
    const long: Waiter<Credential>[] = []
    for (let next = waiting.first(); next !== undefined && next.due <= now; next = waiting.first()) {
      if (next.deadline <= now) next.settle(tookTooLong(next.call, name))
      else long.push(postponed(next))
    }
    if (long.length > 0) tellOf(long, now)
    setTimer(now)
  }

  function nextServed(now: number) {
    let next: { waiter: Waiter<Credential>; chosen: Seat<Credential> | GatewayError } | undefined
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
    waiter.call.told = true
    return waiter
  }

  function tellOf(waiters: readonly Waiter<Credential>[], now: number): void {
    const positionOf = queue.positions()
    for (const waiter of waiters)
      tell?.({
        position: positionOf(waiter),
        because: holdUp(waiter.call),
        leftMs: waiter.deadline - now,
      })
  }

  function holdUp({ refusal, options }: Call<Credential>): string {
    const { model, fits } = options
    const bar = [overloads, ...fitting(fits).map(({ bars }) => bars)].flatMap((bars) => barsFor(bars, model))[0]
    return (refusal ?? bar?.error)?.code ?? 'all credentials busy'
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
    stopTimer = at === never ? () => {} : clock.after(Math.max(0, at - now), ring)
  }

  /** When something changes by itself for somebody who waits. */
  function nextChange(now: number): number {
    const first = waiting.first()
    if (first === undefined) return never
    return Math.min(first.due, firstEnd(overloads, now), ...seats.map(({ bars }) => firstEnd(bars, now)))
  }

  function ring(): void {
    timerAt = never
    openDated()
    pump()
  }

  /** Who serves a call, or why nobody ever will; `undefined` where it has to wait. */
  function choose(options: TurnOptions<Credential>, now: number): Seat<Credential> | GatewayError | undefined {
    const { model, fits, nobody } = options
    let chosen: Seat<Credential> | undefined
    let rank: number | undefined
    let isFit = false
    for (const seat of seats) {
      if (!fits(seat.credential)) continue
      isFit = true
      if (isParked(seat, model, now) || (rank !== undefined && seat.member.rank > rank)) continue
      if (seat.member.rank !== rank) chosen = undefined
      rank = seat.member.rank
      if (!hasRoomFor(seat, model) || isClosed(seat.bars, model, now)) continue
      if (chosen === undefined || isNext(seat, chosen, model)) chosen = seat
    }
    if (!isFit) return nobody()
    if (rank === undefined) return reasonToGo(fitting(fits), model, now)
    return isClosed(overloads, model, now) ? undefined : chosen
  }

  function fitting(fits: (credential: Credential) => boolean): Seat<Credential>[] {
    return seats.filter(({ credential }) => fits(credential))
  }

  function reasonToGo(some: readonly Seat<Credential>[], model: string, now: number): GatewayError | undefined {
    const parks = some.map(({ bars }) => barsFor(bars, model).find((bar) => isParking(bar, now)))
    const errors = parks.flatMap((bar) => (bar === undefined ? [] : [errorNow(bar, now)]))
    if (errors.length < parks.length) return undefined
    // The one that says when it is over gives the best advice.
    return errors.toSorted((left, right) => waitOf(left) - waitOf(right))[0]
  }

  function lend(seat: Seat<Credential>, call: Call<Credential>): Lease<Credential> {
    const { model } = call.options
    const ofModel = seat.models.get(model) ?? createConcurrency(never)
    seat.models.set(model, ofModel)
    seat.total.inFlight++
    ofModel.inFlight++
    seat.lastLease = ++leases
    // Bars that are still here are over in time: this call is their trial.
    const trials =
      overloads.size + seat.bars.size > 0 ? [...barsFor(overloads, model), ...barsFor(seat.bars, model)] : []
    for (const bar of trials) bar.trial = true
    let out = true

    return {
      id: seat.member.id,
      credential: seat.credential,
      works() {
        lift(overloads)
        lift(seat.bars)
        if (out) for (const concurrency of [seat.total, ofModel]) raiseLimit(concurrency, clock.monotonic())
        pump()
      },
      refuse(refusal, error, forMs) {
        if (refusal !== 'dead' && refusal !== 'unfit') call.refusal = error
        if (!out) return
        judge(seat, ofModel, model, { refusal, error, forMs })
        giveBack()
      },
      release: giveBack,
    }

    function lift(bars: Bars): void {
      if (bars.size === 0) return
      for (const name of [everything, model]) {
        const bar = bars.get(name)
        if (bar !== undefined && (trials.includes(bar) || bar.until <= clock.monotonic())) bars.delete(name)
      }
    }

    function giveBack(): void {
      if (!out) return
      out = false
      seat.total.inFlight--
      ofModel.inFlight--
      if (ofModel.inFlight === 0 && ofModel.limit === never) seat.models.delete(model)
      for (const bar of trials) bar.trial = false
      pump()
    }
  }

  function judge(
    seat: Seat<Credential>,
    ofModel: Concurrency,
    model: string,
    { refusal, error, forMs }: { refusal: Refusal; error: GatewayError; forMs: number | undefined },
  ): void {
    const now = clock.monotonic()
    switch (refusal) {
      case 'busy':
        lowerLimit(ofModel, now)
        forgetOne(seat.models)
        // Where others are under way, one of them has to end first; alone, only time helps.
        if (ofModel.inFlight === 1) bar(seat.bars, model, { error, how: resting })
        return
      case 'account-busy':
        lowerLimit(seat.total, now)
        if (seat.total.inFlight === 1) bar(seat.bars, everything, { error, how: resting })
        return
      case 'overloaded':
        lowerLimit(ofModel, now)
        forgetOne(seat.models)
        bar(overloads, model, { error, how: resting })
        return
      case 'dead':
        bar(seat.bars, everything, { error, how: parking, forMs })
        return
      case 'unfit':
        bar(seat.bars, model, { error, how: parking, forMs })
        return
      default:
        refusal satisfies never
    }
  }

  function bar(bars: Bars, name: string, reason: Reason): void {
    putUp(bars, name, reason, { now: clock.monotonic(), date: clock.now(), random })
  }

  /** A laptop that slept has missed hours on the clock for durations; a date that has come says so all the same. */
  function openDated(): void {
    const date = clock.now()
    for (const { bars } of seats)
      for (const bar of bars.values())
        if (bar.overAt !== undefined && bar.overAt <= date) bar.until = Math.min(bar.until, clock.monotonic())
  }
}

function newSeat<Credential>(member: Member<Credential>, limit: number): Seat<Credential> {
  return {
    member,
    credential: member.create(),
    total: createConcurrency(limit),
    models: new Map(),
    lastLease: 0,
    bars: new Map(),
  }
}

function hasRoomFor<Credential>({ total, models }: Seat<Credential>, model: string): boolean {
  const ofModel = models.get(model)
  return hasRoom(total) && (ofModel === undefined || hasRoom(ofModel))
}

/** Fewer calls of the model under way, then fewer in all, then the longer rest. */
function isNext<Credential>(seat: Seat<Credential>, other: Seat<Credential>, model: string): boolean {
  const order =
    (seat.models.get(model)?.inFlight ?? 0) - (other.models.get(model)?.inFlight ?? 0) ||
    seat.total.inFlight - other.total.inFlight ||
    seat.lastLease - other.lastLease
  return order < 0
}

/** Beyond `mostModels`, the model whose limit was learned longest ago and that nobody uses. */
function forgetOne(models: Map<string, Concurrency>): void {
  if (models.size <= mostModels) return
  const idle = [...models].filter(([, { inFlight }]) => inFlight === 0)
  const [oldest] = idle.toSorted(([, left], [, right]) => (left.limitedAt ?? 0) - (right.limitedAt ?? 0))
  if (oldest !== undefined) models.delete(oldest[0])
}

function isParked<Credential>({ bars }: Seat<Credential>, model: string, now: number): boolean {
  return bars.size > 0 && barsFor(bars, model).some((bar) => isParking(bar, now))
}

function snapshotOf<Credential>(seat: Seat<Credential>, now: number): CredentialSnapshot {
  const { member, total, models, bars } = seat
  const bar = bars.get(everything)
  const barred = [...bars].filter(([name, { until }]) => name !== everything && until > now)
  return {
    id: member.id,
    state: bar === undefined ? 'ready' : bar.until <= now ? 'trial' : bar.parked ? 'parked' : 'cooling',
    inFlight: total.inFlight,
    limit: total.limit,
    limits: Object.fromEntries(
      [...models].flatMap(([name, { limit }]) => (limit === never ? [] : [[name, limit] as const])),
    ),
    ...(bar !== undefined && bar.until > now ? { waitingMs: bar.until - now } : {}),
    withoutModels: barred.flatMap(([name, { parked }]) => (parked ? [name] : [])),
    coolingModels: Object.fromEntries(
      barred.flatMap(([name, { parked, until }]) => (parked ? [] : [[name, until - now] as const])),
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

function tookTooLong<Credential>({ refusal }: Call<Credential>, name: string): GatewayError {
  if (refusal !== undefined) return refusal
  return new GatewayError(
    'overloaded',
    `${name} had no room for this request in time. Send fewer at a time, add keys, or raise QUEUE_MS.`,
    { code: 'queue_timeout', retryAfterMs: 15_000 },
  )
}

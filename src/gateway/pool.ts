import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
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
import { createHeap, type Heap } from './heap.ts'

export interface PoolOptions {
  clock: Clock
  /** From 0 to 1. */
  random: () => number
  limits: () => QueueLimits
  /**
   * Calls at a time that are tried under a new credential, before a refusal has taught how many it allows. `Infinity`
   * where a refusal does no harm: then the first one sets it.
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
  /** Of all that wait, 1 for the next. */
  position: number
  /** The code of the refusal that holds it up, or that everybody is busy. */
  because: string
  /** Until it gives up. */
  leftMs: number
}

const never = Number.POSITIVE_INFINITY
const tellMs = 3_000
/** After a refusal one more call at a time is tried this seldom. */
const growMs = 60_000
interface Seat<Credential> {
  member: Member<Credential>
  credential: Credential
  inFlight: number
  limit: number
  /** When the limit last changed; `undefined` while it only has grown. */
  limitedAt: number | undefined
  /** Number of its last lease: who has rested longest is next. */
  lastLease: number
  bars: Bars
}

/** One call, over all its attempts. */
interface Call<Credential> {
  /** Its place in line. */
  number: number
  options: TurnOptions<Credential>
  waitedMs: number
  /** Has asked before: nobody finds the line too long who was in it. */
  admitted: boolean
  told: boolean
  /** Why it had to come back: better advice than that it has waited long. */
  refusal: GatewayError | undefined
}

interface Waiter<Credential> {
  call: Call<Credential>
  line: Line<Credential>
  since: number
  deadline: number
  /** When time changes something for it: it is told of, or it gives up. */
  due: number
  settle(outcome: Lease<Credential> | GatewayError): void
}

/** Calls that the same seats can serve: what holds for the first holds for all. */
interface Line<Credential> {
  name: string
  calls: Heap<Waiter<Credential>>
}

/**
 * Lends credentials to calls: never more at a time than the upstream allows each, first come, first served.
 *
 * How many that is nobody publishes, so it is learned: it grows while answers come, and a refusal sets it to the calls
 * that were not refused (additive increase, as in congestion control). What is refused although alone rests and is
 * then tried by one call; what is parked turns calls away at once instead of making them wait.
 *
 * Every call that comes or goes looks at the first of each line only, for thousands may wait; and where nobody waits,
 * it costs a look at each seat.
 *
 * Own code, because libraries queue for one fixed limit (p-queue, bottleneck) or break one circuit (cockatiel): here
 * one line waits for several credentials whose limits move, and a refused call keeps its place in it.
 */
export function createPool<Credential>(options: PoolOptions): Pool<Credential> {
  const { clock, random, limits, startLimit, tell } = options
  let seats: Seat<Credential>[] = []
  // A model that is overloaded is so for every credential.
  const overloads: Bars = new Map()
  const lines = new Map<string, Line<Credential>>()
  const waiting = createHeap<Waiter<Credential>>((left, right) => left.due - right.due || inTurn(left, right))
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
      lines.clear()
      for (const waiter of waiting.all()) {
        waiter.line = lineFor(waiter.call.options)
        waiter.line.calls.add(waiter)
      }
      pump()
      return seats.map(({ credential }) => credential)
    },
    turn(options) {
      const number = ++turns
      const call = { number, options, waitedMs: 0, admitted: false, told: tell === undefined, refusal: undefined }
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
    if (call.options.signal.aborted) return Promise.reject(left())
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
    if (call.waitedMs >= queueMs) return Promise.reject(tookTooLong(call))
    if (isNew && waiting.all().length >= queueLimit) return Promise.reject(tooMany())
    return wait(call, now, queueMs - call.waitedMs)
  }

  function wait(call: Call<Credential>, since: number, patienceMs: number): Promise<Lease<Credential>> {
    const { signal, note } = call.options
    const deadline = since + patienceMs
    const toldAt = since + Math.max(0, tellMs - call.waitedMs)
    return new Promise((resolve, reject) => {
      const leave = () => {
        waiter.settle(left())
        setTimer(clock.monotonic())
      }
      const waiter: Waiter<Credential> = {
        call,
        line: lineFor(call.options),
        since,
        deadline,
        due: call.told ? deadline : Math.min(deadline, toldAt),
        settle(outcome) {
          signal.removeEventListener('abort', leave)
          waiting.remove(waiter)
          waiter.line.calls.remove(waiter)
          if (waiter.line.calls.first() === undefined) lines.delete(waiter.line.name)
          const ms = clock.monotonic() - since
          call.waitedMs += ms
          if (outcome instanceof GatewayError) return reject(outcome)
          if (ms >= 1_000) note(`waited ${Math.round(ms / 1000)} s for ${outcome.id}`)
          resolve(outcome)
        },
      }
      signal.addEventListener('abort', leave, { once: true })
      waiter.line.calls.add(waiter)
      waiting.add(waiter)
      setTimer(since)
    })
  }

  function lineFor({ model, fits }: TurnOptions<Credential>): Line<Credential> {
    const name = `${seats.map(({ credential }) => (fits(credential) ? '+' : '-')).join('')} ${model}`
    const known = lines.get(name)
    if (known !== undefined) return known
    const line = { name, calls: createHeap<Waiter<Credential>>(inTurn) }
    lines.set(name, line)
    return line
  }

  /** Serves whoever can be served, in their order, and sends away whom nothing can help. */
  function pump(): void {
    if (waiting.first() === undefined) return
    const now = clock.monotonic()
    for (let next = nextServed(now); next !== undefined; next = nextServed(now)) {
      const { waiter, chosen } = next
      waiter.settle(chosen instanceof GatewayError ? chosen : lend(chosen, waiter.call))
    }
    for (let next = waiting.first(); next !== undefined && next.due <= now; next = waiting.first()) {
      if (next.deadline <= now) next.settle(tookTooLong(next.call))
      else tellOf(next)
    }
    setTimer(now)
  }

  function nextServed(now: number) {
    let next: { waiter: Waiter<Credential>; chosen: Seat<Credential> | GatewayError } | undefined
    for (const { calls } of lines.values()) {
      const waiter = calls.first()
      if (waiter === undefined || (next !== undefined && inTurn(next.waiter, waiter) < 0)) continue
      const chosen = choose(waiter.call.options, now)
      if (chosen !== undefined) next = { waiter, chosen }
    }
    return next
  }

  function tellOf(waiter: Waiter<Credential>): void {
    const { call, deadline } = waiter
    waiting.remove(waiter)
    waiter.due = deadline
    waiting.add(waiter)
    call.told = true
    const before = waiting.all().reduce((count, other) => (inTurn(other, waiter) < 0 ? count + 1 : count), 0)
    tell?.({ position: before + 1, because: holdUp(call), leftMs: deadline - clock.monotonic() })
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
      if (seat.inFlight >= seat.limit || isClosed(seat.bars, model, now)) continue
      if (chosen === undefined || isNext(seat, chosen)) chosen = seat
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
    seat.inFlight++
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
        if (out && seat.inFlight >= seat.limit) grow(seat)
        pump()
      },
      refuse(refusal, error, forMs) {
        if (refusal === 'busy' || refusal === 'overloaded') call.refusal = error
        if (!out) return
        judge(seat, model, refusal, error, forMs)
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
      seat.inFlight--
      for (const bar of trials) bar.trial = false
      pump()
    }
  }

  function judge(seat: Seat<Credential>, model: string, refusal: Refusal, error: GatewayError, forMs?: number): void {
    switch (refusal) {
      case 'busy':
        shrink(seat)
        // Where others are under way, one of them has to end first; alone, only time helps.
        if (seat.inFlight === 1) bar(seat.bars, everything, { error, how: resting })
        return
      case 'overloaded':
        shrink(seat)
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

  function shrink(seat: Seat<Credential>): void {
    seat.limit = Math.max(1, Math.min(seat.limit, seat.inFlight - 1))
    seat.limitedAt = clock.monotonic()
  }

  function grow(seat: Seat<Credential>): void {
    if (seat.limitedAt !== undefined && clock.monotonic() - seat.limitedAt < growMs) return
    seat.limit++
    if (seat.limitedAt !== undefined) seat.limitedAt = clock.monotonic()
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
    inFlight: 0,
    limit,
    limitedAt: undefined,
    lastLease: 0,
    bars: new Map(),
  }
}

function inTurn<Credential>(left: Waiter<Credential>, right: Waiter<Credential>): number {
  return left.call.number - right.call.number
}

/** Fewer calls under way, then the longer rest. */
function isNext<Credential>(seat: Seat<Credential>, other: Seat<Credential>): boolean {
  return (seat.inFlight - other.inFlight || seat.lastLease - other.lastLease) < 0
}

function isParked<Credential>({ bars }: Seat<Credential>, model: string, now: number): boolean {
  return bars.size > 0 && barsFor(bars, model).some((bar) => isParking(bar, now))
}

function snapshotOf<Credential>(seat: Seat<Credential>, now: number): CredentialSnapshot {
  const { member, inFlight, limit, bars } = seat
  const bar = bars.get(everything)
  return {
    id: member.id,
    state: bar === undefined ? 'ready' : bar.until <= now ? 'trial' : bar.parked ? 'parked' : 'cooling',
    inFlight,
    limit,
    ...(bar !== undefined && bar.until > now ? { waitingMs: bar.until - now } : {}),
    withoutModels: [...bars].flatMap(([name, { until }]) => (name !== everything && until > now ? [name] : [])),
  }
}

function waitOf({ retryAfterMs }: GatewayError): number {
  return retryAfterMs ?? Number.POSITIVE_INFINITY
}

function left(): GatewayError {
  return new GatewayError('cancelled', 'The client closed the request.')
}

function tooMany(): GatewayError {
  return new GatewayError(
    'overloaded',
    'Too many requests wait for Z.AI already. Try again in a moment, add keys, or raise QUEUE_LIMIT.',
    { code: 'queue_full', retryAfterMs: 15_000 },
  )
}

function tookTooLong<Credential>({ refusal }: Call<Credential>): GatewayError {
  if (refusal !== undefined) return refusal
  return new GatewayError(
    'overloaded',
    'Z.AI had no room for this request in time. Send fewer at a time, add keys, or raise QUEUE_MS.',
    { code: 'queue_timeout', retryAfterMs: 15_000 },
  )
}

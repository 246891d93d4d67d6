import type { GatewayError } from './errors.ts'

/** The credentials of one upstream, lent to its calls. `Credential` is whatever the upstream needs to make one. */
export interface Pool<Credential> {
  /**
   * Replaces who is in it, and returns their credentials in the same order. Who stays keeps what is known of it, but
   * whoever is kept away gets another trial at once.
   */
  setMembers(members: readonly Member<Credential>[]): Credential[]
  /** A place in line for one call, which keeps its number and its patience over all attempts. */
  ticket(options: TicketOptions<Credential>): Ticket<Credential>
  /** Nobody is served any more: whoever waits is told at once, and whoever comes. */
  close(error: GatewayError): void
  /** Why no call could succeed now however long it waited; `undefined` where one could. */
  availabilityError(): GatewayError | undefined
  snapshot(): PoolSnapshot
}

export interface Member<Credential> {
  /** For people: `key 1`. Never the credential itself. */
  id: string
  /** Tells members apart, over changes of the configuration too. Never shown. */
  secret: string
  /** Of those that are not parked, the lowest rank serves; where it is busy, calls wait for it. */
  rank: number
  /** Called once, when the member is new. */
  create(): Credential
}

export interface TicketOptions<Credential> {
  /** What the call is for: a model that is overloaded, busy or not in a plan says nothing about the others. */
  model: string
  /** Whose call it is: those that wait are served in turn. */
  caller: string
  accepts: (credential: Credential) => boolean
  signal: AbortSignal
  /** Why no credential is accepted, where none is. */
  noneAccepts: () => GatewayError
  annotate: (note: string) => void
}

export interface Ticket<Credential> {
  /**
   * The next credential with room: callers take turns, and among the calls of one it is first come, first served.
   *
   * Errors: `cancelled`; what the parked ones were refused with when all are; the last refusal, or `overloaded`, when
   * the wait is over; `overloaded` at once when too many wait.
   */
  lease(): Promise<Lease<Credential>>
}

/** Handed back by `reportFailure` or `release`, whichever comes first. */
export interface Lease<Credential> {
  id: string
  credential: Credential
  /** The upstream answers under this credential. */
  reportSuccess(): void
  /** `forMs`, where it is known when a parked credential is good again. */
  reportFailure(refusal: Refusal, error: GatewayError, forMs?: number): void
  release(): void
}

/**
 * What a refusal is about.
 *
 * - `concurrency-limited`: too many calls of this model at a time under this credential.
 * - `account-concurrency-limited`: too many calls at a time under this credential, of whatever model.
 * - `model-overloaded`: the model is, whoever asks.
 * - `invalid-credential`: the credential serves nobody.
 * - `model-unavailable`: the credential does not serve this model.
 */
export type Refusal =
  | 'concurrency-limited'
  | 'account-concurrency-limited'
  | 'model-overloaded'
  | 'invalid-credential'
  | 'model-unavailable'

export interface PoolSnapshot {
  credentials: CredentialSnapshot[]
  queue: { length: number; oldestMs: number }
}

export interface CredentialSnapshot {
  id: string
  /** `trial`: its time is over, and one call finds out. */
  state: 'ready' | 'cooling' | 'parked' | 'trial'
  inFlight: number
  /** How many calls at a time are tried in all: `Infinity` until a first refusal where none is assumed. */
  limit: number
  /** And of one model, by the upstream's name of it, where that is learned. */
  limits: Record<string, number>
  /** Until it is tried again. */
  waitingMs?: number
  /** The upstream's names of models that it is parked for. */
  withoutModels: string[]
  /** Those that rest under it, and for how many milliseconds more. */
  coolingModels: Record<string, number>
}

/**
 * The snapshot in numbers, for `Upstream.gauges`. `limit` stands there once every credential has one: its own, or those of
 * its models, of which only the ones that were refused count.
 */
export function poolGauges({ credentials, queue }: PoolSnapshot): Record<string, number> {
  const limit = sum(credentials.map(knownLimit))
  const count = (state: CredentialSnapshot['state']) => credentials.filter((one) => one.state === state).length
  return {
    queued: queue.length,
    queue_oldest_seconds: queue.oldestMs / 1000,
    in_flight: sum(credentials.map(({ inFlight }) => inFlight)),
    ...(Number.isFinite(limit) ? { limit } : {}),
    credentials_ready: count('ready'),
    credentials_cooling: count('cooling'),
    credentials_parked: count('parked'),
    credentials_trial: count('trial'),
    models_cooling: sum(credentials.map(({ coolingModels }) => Object.keys(coolingModels).length)),
  }
}

function knownLimit({ limit, limits }: CredentialSnapshot): number {
  const each = Object.values(limits)
  return each.length === 0 ? limit : Math.min(limit, sum(each))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

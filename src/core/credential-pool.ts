import type { QueuePlace } from './call-observer.ts'
import type { GatewayError } from './errors.ts'

/** The credentials of one upstream, lent to its calls. `Credential` is whatever the upstream needs to make a call. */
export interface Pool<Credential> {
  /**
   * Replaces the members, and returns their credentials in the same order. A member that stays keeps its learned state,
   * except that a suspended or cooling one is tried again at once.
   */
  setMembers(members: readonly Member<Credential>[]): Credential[]
  /** A ticket for one call. It keeps its position in the queue and its total waiting time over all attempts. */
  ticket(options: TicketOptions<Credential>): Ticket<Credential>
  /** Stops the pool: waiting calls and later ones fail with `error` at once. */
  close(error: GatewayError): void
  /** Why no call could succeed now however long it waited; `undefined` if one could. */
  availabilityError(): GatewayError | undefined
  snapshot(): PoolSnapshot
  /** The credential of a report. */
  credentialOf(id: string): Credential | undefined
  /** What the operator may see and do. */
  control: PoolControl
}

/** What the operator may see of a pool and do with its credentials, which go by `CredentialReport.id`. */
export interface PoolControl {
  report(): PoolReport
  /**
   * Lends the credential to no call, until it is resumed. Calls that have it keep it. It holds here at once; resolves
   * when other gateways are told, if there are any. `false` if there is no such credential.
   */
  pause(id: string): Promise<boolean>
  resume(id: string): Promise<boolean>
  /** Ends the cooldowns of the credential: the next call decides whether it works again. `false` if there is none. */
  tryNow(id: string): boolean
}

/** Times in epoch milliseconds. */
export interface PoolReport {
  credentials: CredentialReport[]
  /** Calls that wait, by the upstream's name for their model. */
  waiting: Record<string, number>
  /** The changes of all credentials, newest last. */
  history: PoolChange[]
}

export interface CredentialReport extends Omit<CredentialSnapshot, 'id'> {
  /** Names it in URLs. It is the same as long as the credential is, and reveals nothing of it. */
  id: string
  /** Name for people: `key 1`. */
  name: string
  fingerprint?: string | undefined
  /** The setting that it comes from. */
  setting?: string | undefined
  /** Why it is suspended or cools down. */
  reason?: ReportedRefusal | undefined
  /** Calls at a time as refusals have taught, for all models together. */
  learnedLimit?: number | undefined
  lastRefusal?: ReportedRefusal | undefined
  calls1h: number
  refused1h: number
  models: ModelReport[]
}

export interface ModelReport {
  /** The upstream's name. */
  model: string
  inFlight: number
  learnedLimit?: number | undefined
  refused1h: number
  lastRefusal?: ReportedRefusal | undefined
}

export interface ReportedRefusal {
  at: number
  /** The vendor's own, where there is one. */
  code: string
  /** The gateway's: `GatewayError.code`. */
  error: string
  text: string
}

export interface PoolChange {
  at: number
  /** `CredentialReport.id` */
  credential: string
  model?: string
  kind: 'limit-lowered' | 'limit-raised' | 'cooling' | 'blocked' | 'works-again' | 'paused' | 'resumed'
  limit?: number
  code?: string
  forMs?: number
}

export interface Member<Credential> {
  /** Name for people: `key 1`. Never the credential itself. */
  id: string
  /** Identifies the member, also after the configuration changes. Never shown. */
  secret: string
  /** Tells the credential from others, for people: `7c31…a41c`. Absent where there is no credential. */
  fingerprint?: string | undefined
  /** The setting that it comes from: `ZAI_API_KEY`. */
  setting?: string
  /** The lowest rank among the members that are not suspended serves; if that one is busy, calls wait for it. */
  rank: number
  /** Called once, when the member is new. */
  create(): Credential
  /** Called when the operator wants it to be tried, whatever is known to be wrong with it. */
  tryNow?(credential: Credential): void
}

export interface TicketOptions<Credential> {
  /** The model of the call: a model that is overloaded, limited or not in a plan says nothing about other models. */
  model: string
  /** Id of the caller: waiting calls are served in turn, caller by caller. */
  caller: string
  /** Nobody waits for the reply: calls that somebody waits for are served first. */
  isBackground?: boolean | undefined
  accepts: (credential: Credential) => boolean
  signal: AbortSignal
  /** The error to throw if `accepts` takes no credential of the pool. */
  noneAccepts: () => GatewayError
  annotate: (note: string) => void
  /** Called each time the call has to wait. `place` tells where in the line it stands, until it is served. */
  onWait?: ((place: () => QueuePlace) => void) | undefined
}

export interface Ticket<Credential> {
  /**
   * The next credential with a free slot. Callers take turns; the calls of one caller are served in order of arrival.
   *
   * Errors: `cancelled`; the refusal of the suspended credentials if all are suspended; the last refusal, or `overloaded`,
   * when the waiting time is over; `overloaded` at once when too many calls wait.
   */
  lease(): Promise<Lease<Credential>>
}

/** Returned by `reportFailure` or `release`, whichever comes first. */
export interface Lease<Credential> {
  id: string
  fingerprint: string | undefined
  credential: Credential
  /** The upstream accepted a call under this credential. */
  reportSuccess(): void
  /** `forMs`: how long the credential stays suspended, if that is known. */
  reportFailure(refusal: CredentialRefusal, error: GatewayError, forMs?: number): void
  release(): void
}

/**
 * What a refusal is about.
 *
 * - `concurrency-limited`: too many calls of this model at a time under this credential.
 * - `account-concurrency-limited`: too many calls at a time under this credential, whatever the model.
 * - `model-overloaded`: the model is overloaded for every caller.
 * - `invalid-credential`: the credential does not work at all.
 * - `model-unavailable`: the credential may not use this model.
 */
export type CredentialRefusal =
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
  /**
   * - `cooling`: calls wait until its cooldown is over.
   * - `suspended`: for long, so calls fail at once instead of waiting for it.
   * - `half-open`: its cooldown is over, and one call tests whether it works again.
   * - `paused`: by the operator.
   */
  state: 'ready' | 'cooling' | 'suspended' | 'half-open' | 'paused'
  inFlight: number
  /** Calls that may run at a time: `Infinity` until the first refusal, unless a limit is configured. */
  limit: number
  /** The learned limit of each model, by the upstream's name for the model. */
  limits: Record<string, number>
  /** Milliseconds until it is tried again. */
  waitingMs?: number
  /** Models that it is suspended for, by the upstream's names. */
  withoutModels: string[]
  /** Models that are cooling under it, and for how many more milliseconds. */
  coolingModels: Record<string, number>
}

/**
 * The snapshot as numbers, for `Upstream.gauges`. `limit` is the sum over all credentials, and is left out while any of
 * them has none. A credential's limit is its own, or the sum of its models' limits, counting only models that were
 * refused.
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
    credentials_suspended: count('suspended'),
    credentials_half_open: count('half-open'),
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

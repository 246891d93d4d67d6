import type { CredentialSnapshot, Member, PoolChange } from '../../core/credential-pool.ts'
import type { ShareLease } from '../../core/shared-capacity.ts'
import type { SharedPauses } from '../../core/shared-pauses.ts'
import { type Activity, createActivity } from './activity.ts'
import { type Concurrency, createConcurrency, hasRoom } from './concurrency.ts'
import { allModels, type Cooldown, type Cooldowns, cooldownsFor, isSuspension } from './cooldowns.ts'

/** The state of the credentials of one upstream. */
export interface PoolState<Credential> {
  credentials: PooledCredential<Credential>[]
  /** Recent changes, for the operator. The newest is the last. */
  history: PoolChange[]
  /** Cooldowns of overloaded models, which hold for all credentials. */
  overloadedModels: Cooldowns
  running: Set<RunningCall<Credential>>
}

/** A call that has a credential or waits for one. */
export interface WantingCall<Credential> {
  caller: string
  model: string
  accepts: (credential: Credential) => boolean
}

export interface RunningCall<Credential> {
  pooled: PooledCredential<Credential>
  caller: string
  model: string
  /** The lease of this gateway's share under which the call runs, where there are other gateways. */
  shareLease: ShareLease | undefined
}

export interface PooledCredential<Credential> {
  /** A part of the digest of its secret, for the operator's URLs. */
  readonly id: string
  member: Member<Credential>
  credential: Credential
  /** The concurrency of all its calls together. */
  total: Concurrency
  /** Models with running calls, and models with a limit of their own, by name. */
  models: Map<string, Concurrency>
  /** The number of its last lease. The credential with the lowest number has not been used for the longest time. */
  lastLease: number
  cooldowns: Cooldowns
  /** Whether the operator has paused it. It then serves no further calls. */
  isPaused: boolean
  activity: Activity
}

/** Stands for a limit that is not known yet. */
export const unlimited = Number.POSITIVE_INFINITY

/**
 * The most models of a credential whose limits are remembered, because clients could fill the memory with invented
 * names.
 */
const mostModels = 100

export function newPooledCredential<Credential>(
  member: Member<Credential>,
  limit: number,
  pauses: SharedPauses | undefined,
): PooledCredential<Credential> {
  const id = new Bun.CryptoHasher('sha256').update(member.secret).digest('hex').slice(0, 12)
  return {
    id,
    member,
    credential: member.create(),
    total: createConcurrency(limit),
    models: new Map(),
    lastLease: 0,
    cooldowns: new Map(),
    isPaused: pauses?.isPaused(id) ?? false,
    activity: createActivity(),
  }
}

export function hasRoomFor<Credential>({ total, models }: PooledCredential<Credential>, model: string): boolean {
  const ofModel = models.get(model)
  return hasRoom(total) && (ofModel === undefined || hasRoom(ofModel))
}

export function isSuspended<Credential>(
  { cooldowns, isPaused }: PooledCredential<Credential>,
  model: string,
  now: number,
): boolean {
  if (isPaused) return true
  return cooldowns.size > 0 && cooldownsFor(cooldowns, model).some((cooldown) => isSuspension(cooldown, now))
}

/** Counts a call of `model` as under way, and returns the model's share of the credential. */
export function beginCall<Credential>(pooled: PooledCredential<Credential>, model: string): Concurrency {
  const ofModel = pooled.models.get(model) ?? createConcurrency(unlimited)
  pooled.models.set(model, ofModel)
  pooled.total.inFlight++
  ofModel.inFlight++
  return ofModel
}

export function endCall<Credential>(pooled: PooledCredential<Credential>, model: string, ofModel: Concurrency): void {
  pooled.total.inFlight--
  ofModel.inFlight--
  if (ofModel.inFlight === 0 && ofModel.limit === unlimited) pooled.models.delete(model)
}

/** Above `mostModels`, forgets the unused model whose limit was learned longest ago. */
export function forgetOne(models: Map<string, Concurrency>): void {
  if (models.size <= mostModels) return
  const idle = [...models].filter(([, { inFlight }]) => inFlight === 0)
  const [oldest] = idle.toSorted(([, left], [, right]) => (left.limitedAt ?? 0) - (right.limitedAt ?? 0))
  if (oldest !== undefined) models.delete(oldest[0])
}

export function snapshotOf<Credential>(pooled: PooledCredential<Credential>, now: number): CredentialSnapshot {
  const { member, total, models, cooldowns } = pooled
  const cooldown = cooldowns.get(allModels)
  const coolingDown = [...cooldowns].filter(([name, { until }]) => name !== allModels && until > now)
  return {
    id: member.id,
    state: pooled.isPaused ? 'paused' : stateOf(cooldown, now),
    inFlight: total.inFlight,
    limit: total.limit,
    limits: Object.fromEntries(
      [...models].flatMap(([name, { limit }]) => (limit === unlimited ? [] : [[name, limit] as const])),
    ),
    ...(cooldown !== undefined && cooldown.until > now ? { waitingMs: cooldown.until - now } : {}),
    withoutModels: coolingDown.flatMap(([name, { isSuspended }]) => (isSuspended ? [name] : [])),
    coolingModels: Object.fromEntries(
      coolingDown.flatMap(([name, { isSuspended, until }]) => (isSuspended ? [] : [[name, until - now] as const])),
    ),
  }
}

function stateOf(cooldown: Cooldown | undefined, now: number): CredentialSnapshot['state'] {
  if (cooldown === undefined) return 'ready'
  if (cooldown.until <= now) return 'half-open'
  return cooldown.isSuspended ? 'suspended' : 'cooling'
}

import type { Clock } from '../../core/clock.ts'
import type { CredentialRefusal, PoolChange } from '../../core/credential-pool.ts'
import type { GatewayError } from '../../core/errors.ts'
import { recordRefusal, refusalCode, remember } from './activity.ts'
import { type Concurrency, lowerLimit, raiseLimit } from './concurrency.ts'
import {
  allModels,
  type BlockReason,
  block,
  type Cooldown,
  type Cooldowns,
  longCooldown,
  shortCooldown,
} from './cooldowns.ts'
import { forgetOne, type PooledCredential, type PoolState, type RunningCall } from './pooled-credential.ts'
import type { SharedCooldowns } from './shared-cooldowns.ts'
import type { SharedLimits } from './shared-limits.ts'

/** A pool, as far as the outcomes of calls change it. */
export interface OutcomeContext<Credential> {
  state: PoolState<Credential>
  clock: Clock
  /** Returns numbers from 0 to 1. */
  random: () => number
  /** The limits that other gateways share, where there are other gateways. */
  shared: () => SharedLimits | undefined
  sharedCooldowns: () => SharedCooldowns | undefined
}

/** A credential that was lent to a call. */
export interface LentCredential<Credential> {
  readonly running: RunningCall<Credential>
  /** The concurrency of the call's model under this credential. */
  readonly ofModel: Concurrency
  /** Cooldowns that had run out when the call began. The call probes whether the credential works again. */
  readonly halfOpen: readonly Cooldown[]
  /** Whether the credential was not handed back yet. */
  isOut: boolean
}

export interface CallRefusal {
  refusal: CredentialRefusal
  error: GatewayError
  /** How long the refusal lasts, if that is known. */
  forMs: number | undefined
}

/** Ends the cooldowns that the answer disproves, and raises the limits of a call that still runs. */
export function recordSuccess<Credential>(
  context: OutcomeContext<Credential>,
  { running, ofModel, halfOpen, isOut }: LentCredential<Credential>,
): void {
  const { pooled, model } = running
  endCooldowns(context, running, context.state.overloadedModels, halfOpen)
  endCooldowns(context, running, pooled.cooldowns, halfOpen)
  if (!isOut) return
  raise(context, pooled, pooled.total, allModels)
  raise(context, pooled, ofModel, model)
}

/** Lowers the limit that the refusal is about, or begins a cooldown. The call still counts in `inFlight`. */
export function recordFailure<Credential>(
  context: OutcomeContext<Credential>,
  { running, ofModel }: LentCredential<Credential>,
  { refusal, error, forMs }: CallRefusal,
): void {
  const { pooled, model } = running
  const { clock, state } = context
  recordRefusal(pooled.activity, model, error, { now: clock.monotonic(), at: clock.now() })
  switch (refusal) {
    case 'concurrency-limited':
      lower(context, pooled, ofModel, model)
      forgetOne(pooled.models)
      // If other calls are running, one of them has to end first; otherwise only time helps.
      if (isAlone(ofModel)) coolDown(context, running, pooled.cooldowns, model, { error, cooldown: shortCooldown })
      return
    case 'account-concurrency-limited':
      lower(context, pooled, pooled.total, allModels)
      if (isAlone(pooled.total))
        coolDown(context, running, pooled.cooldowns, allModels, { error, cooldown: shortCooldown })
      return
    case 'model-overloaded':
      lower(context, pooled, ofModel, model)
      forgetOne(pooled.models)
      coolDown(context, running, state.overloadedModels, model, { error, cooldown: shortCooldown })
      return
    case 'invalid-credential':
      coolDown(context, running, pooled.cooldowns, allModels, { error, cooldown: longCooldown, forMs })
      return
    case 'model-unavailable':
      coolDown(context, running, pooled.cooldowns, model, { error, cooldown: longCooldown, forMs })
      return
    default:
      refusal satisfies never
  }
}

function endCooldowns<Credential>(
  context: OutcomeContext<Credential>,
  { pooled, model, shareLease }: RunningCall<Credential>,
  cooldowns: Cooldowns,
  halfOpen: readonly Cooldown[],
): void {
  if (cooldowns.size === 0) return
  for (const name of [allModels, model]) {
    const cooldown = cooldowns.get(name)
    if (cooldown === undefined || (!halfOpen.includes(cooldown) && cooldown.until > context.clock.monotonic())) continue
    cooldowns.delete(name)
    context.sharedCooldowns()?.ended(ownerOf(context, cooldowns, pooled), name, shareLease)
    note(context, pooled, { kind: 'works-again', ...modelOf(name) })
  }
}

function coolDown<Credential>(
  context: OutcomeContext<Credential>,
  { pooled, shareLease }: RunningCall<Credential>,
  cooldowns: Cooldowns,
  name: string,
  reason: BlockReason,
): void {
  const { clock, random } = context
  const before = cooldowns.get(name)
  const now = clock.monotonic()
  block(cooldowns, name, reason, { now, date: clock.now(), random })
  const cooldown = cooldowns.get(name)
  if (cooldown === undefined || cooldown === before) return
  context.sharedCooldowns()?.changed(ownerOf(context, cooldowns, pooled), name, shareLease)
  const kind = cooldown.isSuspended ? 'blocked' : 'cooling'
  note(context, pooled, { kind, ...modelOf(name), code: refusalCode(reason.error), forMs: cooldown.until - now })
}

/** The credential that the cooldowns belong to; `undefined` for those that hold for all credentials. */
function ownerOf<Credential>(
  { state }: OutcomeContext<Credential>,
  cooldowns: Cooldowns,
  { id }: PooledCredential<Credential>,
): string | undefined {
  return cooldowns === state.overloadedModels ? undefined : id
}

/** `name` is the model that the limit is about, or `allModels`. */
function lower<Credential>(
  context: OutcomeContext<Credential>,
  pooled: PooledCredential<Credential>,
  concurrency: Concurrency,
  name: string,
): void {
  const before = concurrency.limit
  const others = context.shared()
  if (others) others.refused(concurrency)
  else lowerLimit(concurrency, context.clock.monotonic())
  const { limit } = concurrency
  if (limit !== before) note(context, pooled, { kind: 'limit-lowered', ...modelOf(name), limit })
}

function raise<Credential>(
  context: OutcomeContext<Credential>,
  pooled: PooledCredential<Credential>,
  concurrency: Concurrency,
  name: string,
): void {
  const others = context.shared()
  if (others) {
    others.answered(concurrency)
    return
  }
  const before = concurrency.limit
  raiseLimit(concurrency, context.clock.monotonic())
  const { limit, limitedAt } = concurrency
  // Before the first refusal the limit is only a guess, so its changes are not shown.
  if (limit !== before && limitedAt !== undefined)
    note(context, pooled, { kind: 'limit-raised', ...modelOf(name), limit })
}

function note<Credential>(
  { state, clock }: OutcomeContext<Credential>,
  { id }: PooledCredential<Credential>,
  change: Omit<PoolChange, 'at' | 'credential'>,
): void {
  remember(state.history, { at: clock.now(), credential: id, ...change })
}

/** No other call is under way, in any gateway. */
function isAlone({ inFlight, elsewhere = 0 }: Concurrency): boolean {
  return inFlight + elsewhere === 1
}

function modelOf(name: string): { model?: string } {
  return name === allModels ? {} : { model: name }
}

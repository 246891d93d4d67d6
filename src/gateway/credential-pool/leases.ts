import type { Clock } from '../../core/clock.ts'
import type { CredentialRefusal, Lease, PoolChange } from '../../core/credential-pool.ts'
import type { GatewayError } from '../../core/errors.ts'
import type { HeldLease } from '../../core/shared-capacity.ts'
import { recordRefusal, refusalCode, remember } from './activity.ts'
import { type Concurrency, lowerLimit, raiseLimit } from './concurrency.ts'
import {
  allModels,
  type BlockReason,
  block,
  type Cooldowns,
  cooldownsFor,
  longCooldown,
  shortCooldown,
} from './cooldowns.ts'
import type { PoolCall } from './pool-call.ts'
import {
  beginCall,
  endCall,
  forgetOne,
  type PooledCredential,
  type PoolState,
  type RunningCall,
} from './pooled-credential.ts'
import type { SharedCooldowns } from './shared-cooldowns.ts'
import type { SharedLimits } from './shared-limits.ts'

export interface LeaseOptions<Credential> {
  state: PoolState<Credential>
  clock: Clock
  /** From 0 to 1. */
  random: () => number
  /** There may be room for a call that waits. */
  onChange: () => void
  /** Where other gateways use the same credentials. */
  shared: () => SharedLimits | undefined
  sharedCooldowns: () => SharedCooldowns | undefined
}

export type GrantLease<Credential> = (
  pooled: PooledCredential<Credential>,
  call: PoolCall<Credential>,
) => Lease<Credential>

/** A refusal of one call: what it is about, and how long it lasts, if that is known. */
interface CallRefusal {
  refusal: CredentialRefusal
  error: GatewayError
  forMs: number | undefined
  /** See `RunningCall`. */
  sharedLease: HeldLease | undefined
}

/** Lends credentials, and learns from what becomes of the calls: limits, and what has to cool down. */
export function leases<Credential>({
  state,
  clock,
  random,
  onChange,
  shared,
  sharedCooldowns,
}: LeaseOptions<Credential>): GrantLease<Credential> {
  const { overloadedModels, history } = state
  // Leases so far, the number of the last one.
  let count = 0

  return (pooled, call) => {
    const { model, caller } = call.options
    const running: RunningCall<Credential> = { pooled, model, caller, lease: shared()?.leaseOf(pooled.id) }
    state.running.add(running)
    const ofModel = beginCall(pooled, model)
    pooled.activity.calls.add(clock.monotonic())
    pooled.lastLease = ++count
    shared()?.began()
    // These cooldowns have run out, or the call would have waited. It probes whether the credential works again.
    const halfOpen =
      overloadedModels.size + pooled.cooldowns.size > 0
        ? [...cooldownsFor(overloadedModels, model), ...cooldownsFor(pooled.cooldowns, model)]
        : []
    for (const cooldown of halfOpen) cooldown.isHalfOpen = true
    // The credential has not been handed back.
    let isOut = true

    return {
      id: pooled.member.id,
      fingerprint: pooled.member.fingerprint,
      credential: pooled.credential,
      reportSuccess() {
        endCooldowns(overloadedModels)
        endCooldowns(pooled.cooldowns)
        if (isOut) {
          raise(pooled, pooled.total, allModels)
          raise(pooled, ofModel, model)
        }
        onChange()
      },
      reportFailure(refusal, error, forMs) {
        if (refusal !== 'invalid-credential' && refusal !== 'model-unavailable') call.refusal = error
        if (!isOut) return
        recordFailure(pooled, ofModel, model, { refusal, error, forMs, sharedLease: running.lease })
        release()
      },
      release,
    }

    function endCooldowns(cooldowns: Cooldowns): void {
      if (cooldowns.size === 0) return
      for (const name of [allModels, model]) {
        const cooldown = cooldowns.get(name)
        if (cooldown === undefined || (!halfOpen.includes(cooldown) && cooldown.until > clock.monotonic())) continue
        cooldowns.delete(name)
        sharedCooldowns()?.ended(ownerOf(cooldowns, pooled), name, running.lease)
        note(pooled, { kind: 'works-again', ...modelOf(name) })
      }
    }

    function release(): void {
      if (!isOut) return
      isOut = false
      endCall(pooled, model, ofModel)
      state.running.delete(running)
      for (const concurrency of [pooled.total, ofModel]) shared()?.ended(concurrency)
      for (const cooldown of halfOpen) cooldown.isHalfOpen = false
      onChange()
    }
  }

  function recordFailure(
    pooled: PooledCredential<Credential>,
    ofModel: Concurrency,
    model: string,
    { refusal, error, forMs, sharedLease }: CallRefusal,
  ): void {
    recordRefusal(pooled.activity, model, error, { now: clock.monotonic(), at: clock.now() })
    switch (refusal) {
      case 'concurrency-limited':
        lower(pooled, ofModel, model)
        forgetOne(pooled.models)
        // If other calls are running, one of them has to end first; otherwise only time helps.
        if (isAlone(ofModel)) coolDown(pooled, pooled.cooldowns, model, { error, cooldown: shortCooldown }, sharedLease)
        return
      case 'account-concurrency-limited':
        lower(pooled, pooled.total, allModels)
        if (isAlone(pooled.total))
          coolDown(pooled, pooled.cooldowns, allModels, { error, cooldown: shortCooldown }, sharedLease)
        return
      case 'model-overloaded':
        lower(pooled, ofModel, model)
        forgetOne(pooled.models)
        coolDown(pooled, overloadedModels, model, { error, cooldown: shortCooldown }, sharedLease)
        return
      case 'invalid-credential':
        coolDown(pooled, pooled.cooldowns, allModels, { error, cooldown: longCooldown, forMs }, sharedLease)
        return
      case 'model-unavailable':
        coolDown(pooled, pooled.cooldowns, model, { error, cooldown: longCooldown, forMs }, sharedLease)
        return
      default:
        refusal satisfies never
    }
  }

  function coolDown(
    pooled: PooledCredential<Credential>,
    cooldowns: Cooldowns,
    name: string,
    reason: BlockReason,
    sharedLease: HeldLease | undefined,
  ): void {
    const before = cooldowns.get(name)
    const now = clock.monotonic()
    block(cooldowns, name, reason, { now, date: clock.now(), random })
    const cooldown = cooldowns.get(name)
    if (cooldown === undefined || cooldown === before) return
    sharedCooldowns()?.changed(ownerOf(cooldowns, pooled), name, sharedLease)
    const kind = cooldown.isSuspended ? 'blocked' : 'cooling'
    note(pooled, { kind, ...modelOf(name), code: refusalCode(reason.error), forMs: cooldown.until - now })
  }

  /** The credential whose cooldowns they are; `undefined` for cooldowns of every credential. */
  function ownerOf(cooldowns: Cooldowns, pooled: PooledCredential<Credential>): string | undefined {
    return cooldowns === overloadedModels ? undefined : pooled.id
  }

  /** `name` is the model that the limit is about, or `allModels`. */
  function lower(pooled: PooledCredential<Credential>, concurrency: Concurrency, name: string): void {
    const before = concurrency.limit
    const others = shared()
    if (others) others.refused(concurrency)
    else lowerLimit(concurrency, clock.monotonic())
    const { limit } = concurrency
    if (limit !== before) note(pooled, { kind: 'limit-lowered', ...modelOf(name), limit })
  }

  function raise(pooled: PooledCredential<Credential>, concurrency: Concurrency, name: string): void {
    const others = shared()
    if (others) {
      others.answered(concurrency)
      return
    }
    const before = concurrency.limit
    raiseLimit(concurrency, clock.monotonic())
    const { limit, limitedAt } = concurrency
    // Nothing has been learned before the first refusal.
    if (limit !== before && limitedAt !== undefined) note(pooled, { kind: 'limit-raised', ...modelOf(name), limit })
  }

  function note({ id }: PooledCredential<Credential>, change: Omit<PoolChange, 'at' | 'credential'>): void {
    remember(history, { at: clock.now(), credential: id, ...change })
  }
}

/** No other call is under way, in any gateway. */
function isAlone({ inFlight, elsewhere = 0 }: Concurrency): boolean {
  return inFlight + elsewhere === 1
}

function modelOf(name: string): { model?: string } {
  return name === allModels ? {} : { model: name }
}

import type { Lease } from '../../core/credential-pool.ts'
import { type Cooldown, cooldownsFor } from './cooldowns.ts'
import { type LentCredential, type OutcomeContext, recordFailure, recordSuccess } from './outcomes.ts'
import { beginCall, endCall, type PooledCredential, type RunningCall } from './pooled-credential.ts'
import type { WaitingCall } from './waiting-call.ts'

export interface LeaseOptions<Credential> extends OutcomeContext<Credential> {
  /** Called when a waiting call may have become possible. */
  onChange: () => void
}

export type GrantLease<Credential> = (
  pooled: PooledCredential<Credential>,
  call: WaitingCall<Credential>,
) => Lease<Credential>

/** Lends credentials. The outcomes of the calls change limits and cooldowns: see `recordSuccess` and `recordFailure`. */
export function leases<Credential>(options: LeaseOptions<Credential>): GrantLease<Credential> {
  // The number of the last lease.
  let count = 0

  return (pooled, call) => {
    pooled.lastLease = ++count
    return leaseOf(options, call, lend(options, pooled, call))
  }
}

function lend<Credential>(
  options: LeaseOptions<Credential>,
  pooled: PooledCredential<Credential>,
  { options: { model, caller } }: WaitingCall<Credential>,
): LentCredential<Credential> {
  const { state, clock, shared } = options
  const running: RunningCall<Credential> = { pooled, model, caller, shareLease: shared()?.shareLeaseOf(pooled.id) }
  state.running.add(running)
  const ofModel = beginCall(pooled, model)
  pooled.activity.calls.add(clock.monotonic())
  shared()?.began()
  const halfOpen = cooldownsOf(options, running)
  for (const cooldown of halfOpen) cooldown.isHalfOpen = true
  return { running, ofModel, halfOpen, isOut: true }
}

/** The cooldowns for the model of a call. They have run out, because the call would still wait otherwise. */
function cooldownsOf<Credential>(
  { state: { overloadedModels } }: LeaseOptions<Credential>,
  { pooled: { cooldowns }, model }: RunningCall<Credential>,
): Cooldown[] {
  if (overloadedModels.size + cooldowns.size === 0) return []
  return [...cooldownsFor(overloadedModels, model), ...cooldownsFor(cooldowns, model)]
}

function leaseOf<Credential>(
  options: LeaseOptions<Credential>,
  call: WaitingCall<Credential>,
  lent: LentCredential<Credential>,
): Lease<Credential> {
  const { member, credential } = lent.running.pooled
  return {
    id: member.id,
    fingerprint: member.fingerprint,
    credential,
    reportSuccess() {
      recordSuccess(options, lent)
      options.onChange()
    },
    reportFailure(refusal, error, forMs) {
      if (refusal !== 'invalid-credential' && refusal !== 'model-unavailable') call.refusal = error
      if (!lent.isOut) return
      recordFailure(options, lent, { refusal, error, forMs })
      handBack(options, lent)
    },
    release: () => handBack(options, lent),
  }
}

function handBack<Credential>(
  { state, shared, onChange }: LeaseOptions<Credential>,
  lent: LentCredential<Credential>,
): void {
  if (!lent.isOut) return
  lent.isOut = false
  const { running, ofModel, halfOpen } = lent
  const { pooled, model } = running
  endCall(pooled, model, ofModel)
  state.running.delete(running)
  for (const concurrency of [pooled.total, ofModel]) shared()?.ended(concurrency)
  for (const cooldown of halfOpen) cooldown.isHalfOpen = false
  onChange()
}

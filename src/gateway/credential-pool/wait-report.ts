import { accepting } from './choose.ts'
import { cooldownsFor } from './cooldowns.ts'
import type { PoolState } from './pooled-credential.ts'
import type { WaitingCall } from './waiting-call.ts'

/** A call that has waited for long, all its attempts together. */
export interface Wait {
  /** 1 for the next. */
  position: number
  /** The code of the refusal because of which it waits, or a code for the case that all credentials are busy. */
  because: string
  /** How long it waits before it gives up. */
  leftMs: number
}

export function waitReason<Credential>(
  { credentials, overloadedModels }: PoolState<Credential>,
  { refusal, options }: WaitingCall<Credential>,
): string {
  const { model, accepts } = options
  const cooldown = [overloadedModels, ...accepting(credentials, accepts).map(({ cooldowns }) => cooldowns)].flatMap(
    (cooldowns) => cooldownsFor(cooldowns, model),
  )[0]
  return (refusal ?? cooldown?.error)?.code ?? 'all credentials busy'
}

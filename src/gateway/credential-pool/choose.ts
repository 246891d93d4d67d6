import type { TicketOptions } from '../../core/credential-pool.ts'
import { GatewayError } from '../../core/errors.ts'
import { cooldownsFor, errorNow, isCoolingDown, isSuspension } from './cooldowns.ts'
import { hasRoomFor, isSuspended, type PooledCredential, type PoolState } from './pooled-credential.ts'

/**
 * The credential that serves a call, or the reason why none ever will; `undefined` if the call has to wait.
 *
 * Only credentials of the lowest rank are used, among those that the call accepts and that are not suspended. If all of
 * that rank are busy or cooling down, the call waits for them.
 */
export function choose<Credential>(
  { credentials, overloadedModels }: PoolState<Credential>,
  { model, accepts, noneAccepts }: TicketOptions<Credential>,
  now: number,
): PooledCredential<Credential> | GatewayError | undefined {
  let chosen: PooledCredential<Credential> | undefined
  let rank: number | undefined
  let isAccepted = false
  for (const pooled of credentials) {
    if (!accepts(pooled.credential)) continue
    isAccepted = true
    if (isSuspended(pooled, model, now) || (rank !== undefined && pooled.member.rank > rank)) continue
    if (pooled.member.rank !== rank) chosen = undefined
    rank = pooled.member.rank
    if (!hasRoomFor(pooled, model) || isCoolingDown(pooled.cooldowns, model, now)) continue
    if (chosen === undefined || isNext(pooled, chosen, model)) chosen = pooled
  }
  if (!isAccepted) return noneAccepts()
  if (rank === undefined) return unavailableError(accepting(credentials, accepts), model, now)
  return isCoolingDown(overloadedModels, model, now) ? undefined : chosen
}

/** Prefers fewer calls of the model under way, then fewer calls in all, then the longer time since the last lease. */
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

export function accepting<Credential>(
  credentials: readonly PooledCredential<Credential>[],
  accepts: (credential: Credential) => boolean,
): PooledCredential<Credential>[] {
  return credentials.filter(({ credential }) => accepts(credential))
}

/** The error if all candidates are suspended or paused; `undefined` if one of them is not. */
export function unavailableError<Credential>(
  candidates: readonly PooledCredential<Credential>[],
  model: string,
  now: number,
): GatewayError | undefined {
  const errors = candidates.flatMap(({ cooldowns, isPaused }) => {
    const cooldown = cooldownsFor(cooldowns, model).find((each) => isSuspension(each, now))
    if (cooldown !== undefined) return [errorNow(cooldown, now)]
    return isPaused ? [paused()] : []
  })
  if (errors.length < candidates.length) return undefined
  // The error with the shortest known wait gives the best advice.
  return errors.toSorted((left, right) => waitOf(left) - waitOf(right))[0]
}

function paused(): GatewayError {
  return new GatewayError(
    'overloaded',
    'The operator of this gateway has paused what would serve this. Try again later, or resume it on the page.',
    { code: 'upstream_paused' },
  )
}

function waitOf({ retryAfterMs }: GatewayError): number {
  return retryAfterMs ?? Number.POSITIVE_INFINITY
}

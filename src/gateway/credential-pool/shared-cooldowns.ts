import type { Clock } from '../../core/clock.ts'
import { GatewayError, isErrorKind } from '../../core/errors.ts'
import {
  type CooldownReport,
  everyCredential,
  type SharedCapacity,
  type ShareLease,
} from '../../core/shared-capacity.ts'
import { refusalCode } from './activity.ts'
import { allModels, type Cooldown, type Cooldowns } from './cooldowns.ts'
import type { PoolState } from './pooled-credential.ts'

export interface SharedCooldownOptions<Credential> {
  state: PoolState<Credential>
  capacity: Pick<SharedCapacity, 'coolDown' | 'endCooldown' | 'cooldowns' | 'watchCooldowns'>
  clock: Clock
  /** Called when a waiting call may have become possible, or hopeless. */
  onChange: () => void
  /** Called when the lease under which a cooldown was learned is over. */
  onLapse: (lease: ShareLease) => void
}

/** Shares cooldowns among all gateways. */
export interface SharedCooldowns {
  /**
   * Call it when a cooldown of this credential, or of all (`undefined`), has begun or changed. `cause` is the lease of
   * the call that was refused, if it had one, or `tried-now` if the operator has ended the cooldown.
   */
  changed(pooledId: string | undefined, model: string, cause: ShareLease | 'tried-now' | undefined): void
  ended(pooledId: string | undefined, model: string, lease: ShareLease | undefined): void
  close(): void
}

/**
 * Cooldowns are written as they begin, and read whenever another gateway has written. Each gateway probes for itself with
 * one call when the time is over. While the database is away, each gateway learns of cooldowns from its own calls, and
 * writes them afterwards.
 */
export function shareCooldowns<Credential>(options: SharedCooldownOptions<Credential>): SharedCooldowns {
  const { state, capacity, clock, onChange, onLapse } = options
  // Cooldowns by name: `stored` in the database, or still to be written.
  const known = new Map<string, 'stored' | 'pending'>()
  const stopWatching = capacity.watchCooldowns((isNew) => {
    void refresh(isNew)
  })

  return {
    changed(pooledId, model, cause) {
      known.set(nameOf(pooledId, model), 'pending')
      void write(pooledId, model, cause)
    },
    ended(pooledId, model, lease) {
      if (!known.delete(nameOf(pooledId, model))) return
      void capacity.endCooldown(pooledId ?? everyCredential, model, lease).then(
        (isHeld) => {
          if (!isHeld && lease) onLapse(lease)
        },
        () => {
          // The others probe for themselves.
        },
      )
    },
    close: stopWatching,
  }

  function cooldownsOf(pooledId: string | undefined): Cooldowns | undefined {
    if (pooledId === undefined) return state.overloadedModels
    return state.credentials.find(({ id }) => id === pooledId)?.cooldowns
  }

  async function write(
    pooledId: string | undefined,
    model: string,
    cause: ShareLease | 'tried-now' | undefined,
  ): Promise<void> {
    const cooldown = cooldownsOf(pooledId)?.get(model)
    if (cooldown === undefined) return
    try {
      const lease = cause === 'tried-now' ? undefined : cause
      const report = reportOf(pooledId, model, cooldown, clock)
      const isStored = await capacity.coolDown(report, cause === 'tried-now', lease)
      const name = nameOf(pooledId, model)
      if (isStored) {
        if (known.has(name)) known.set(name, 'stored')
      } else {
        // The cooldown holds in this gateway only, because others may have newer knowledge about the credential.
        known.delete(name)
        if (lease) onLapse(lease)
      }
    } catch {
      // `refresh` writes it once this gateway listens to the database again.
    }
  }

  async function refresh(isNew: boolean): Promise<void> {
    try {
      if (isNew)
        for (const [name, stage] of known)
          if (stage === 'pending') {
            const [pooledId, model] = partsOf(name)
            // A cooldown that was learned while the database was away belongs to no lease.
            await write(pooledId, model, undefined)
          }
      use(await capacity.cooldowns())
    } catch {
      // The database module reports the outage.
    }
  }

  function use(reports: readonly CooldownReport[]): void {
    const seen = new Set<string>()
    for (const report of reports) {
      const pooledId = report.credential === everyCredential ? undefined : report.credential
      const cooldowns = cooldownsOf(pooledId)
      const name = nameOf(pooledId, report.model)
      seen.add(name)
      if (cooldowns === undefined || known.get(name) === 'pending') continue
      const before = cooldowns.get(report.model)
      const after = cooldownOf(report, before, clock)
      if (after === undefined) continue
      known.set(name, 'stored')
      const now = clock.monotonic()
      // Only the operator ends a cooldown before its time.
      if (before !== undefined && before.until > now && after.until <= now) tryNow(pooledId, report.model)
      cooldowns.set(report.model, after)
    }
    for (const [name, stage] of known) {
      if (stage === 'pending' || seen.has(name)) continue
      const [pooledId, model] = partsOf(name)
      if (cooldownsOf(pooledId)?.delete(model)) tryNow(pooledId, model)
      known.delete(name)
    }
    onChange()
  }

  /** What the upstream itself knows against a credential would otherwise make the next call fail, on all gateways. */
  function tryNow(pooledId: string | undefined, model: string): void {
    const pooled = model === allModels ? state.credentials.find(({ id }) => id === pooledId) : undefined
    pooled?.member.tryNow?.(pooled.credential)
  }
}

function reportOf(
  pooledId: string | undefined,
  model: string,
  { isSuspended, error, until, overAt, consecutiveFailures }: Cooldown,
  clock: Clock,
): CooldownReport {
  const { kind, message, code, retryAfterMs, status } = error
  return {
    ...{ credential: pooledId ?? everyCredential, model, isSuspended, consecutiveFailures },
    forMs: until - clock.monotonic(),
    hasDate: overAt !== undefined,
    error: { kind, message, code, retryAfterMs, status, refusal: refusalCode(error) },
  }
}

/** `undefined` for one with an error of a newer version. A probe that is under way goes on. */
function cooldownOf(report: CooldownReport, before: Cooldown | undefined, clock: Clock): Cooldown | undefined {
  const { isSuspended, forMs, hasDate, consecutiveFailures, error } = report
  const { kind, message, refusal, ...facts } = error
  if (!isErrorKind(kind)) return undefined
  return {
    ...{ isSuspended, consecutiveFailures },
    error: new GatewayError(kind, message, { ...facts, detail: { code: refusal } }),
    until: clock.monotonic() + forMs,
    overAt: hasDate ? clock.now() + forMs : undefined,
    isHalfOpen: forMs <= 0 && before?.isHalfOpen === true,
  }
}

/** Ids of credentials have no spaces; names of models may. */
function nameOf(pooledId: string | undefined, model: string): string {
  return `${pooledId ?? ''} ${model}`
}

function partsOf(name: string): [string | undefined, string] {
  const at = name.indexOf(' ')
  return [at === 0 ? undefined : name.slice(0, at), name.slice(at + 1)]
}

import type { Clock } from '../../core/clock.ts'
import type { CredentialReport, PoolControl } from '../../core/credential-pool.ts'
import type { SharedPauses } from '../../core/shared-pauses.ts'
import { type Activity, remember, reportedRefusal } from './activity.ts'
import type { Concurrency } from './concurrency.ts'
import { allModels } from './cooldowns.ts'
import { type PooledCredential, type PoolState, snapshotOf } from './pooled-credential.ts'
import type { SharedCooldowns } from './shared-cooldowns.ts'

export interface ControlOptions<Credential> {
  state: PoolState<Credential>
  clock: Clock
  /** The models of the calls that wait. */
  waitingModels: () => string[]
  /** Called when a waiting call may have become possible, or hopeless. */
  onChange: () => void
  sharedCooldowns: () => SharedCooldowns | undefined
  pauses: SharedPauses | undefined
}

/** The operator's view of a pool, and actions on it. */
export function poolControl<Credential>(options: ControlOptions<Credential>): PoolControl {
  const { state, clock, waitingModels, onChange, sharedCooldowns, pauses } = options

  return {
    report() {
      const waiting: Record<string, number> = {}
      for (const model of waitingModels()) waiting[model] = (waiting[model] ?? 0) + 1
      return {
        credentials: state.credentials.map((pooled) => reportOf(pooled, clock)),
        waiting,
        history: [...state.history],
      }
    },
    pause: (id) => setPaused(id, true),
    resume: (id) => setPaused(id, false),
    tryNow: (id) =>
      change(id, ({ member, credential, cooldowns }) => {
        member.tryNow?.(credential)
        for (const [name, cooldown] of cooldowns) {
          cooldown.until = Math.min(cooldown.until, clock.monotonic())
          sharedCooldowns()?.changed(id, name, 'tried-now')
        }
      }),
  }

  function change(id: string, apply: (pooled: PooledCredential<Credential>) => void): boolean {
    const pooled = state.credentials.find((each) => each.id === id)
    if (pooled === undefined) return false
    apply(pooled)
    onChange()
    return true
  }

  async function setPaused(id: string, isPaused: boolean): Promise<boolean> {
    const isKnown = change(id, (pooled) => rememberPause(pooled, isPaused, options))
    if (isKnown) await pauses?.set(id, isPaused)
    return isKnown
  }
}

/** Applies what other gateways have paused and resumed. */
export function usePauses<Credential>(
  pauses: SharedPauses,
  options: Pick<ControlOptions<Credential>, 'state' | 'clock' | 'onChange'>,
): void {
  for (const pooled of options.state.credentials) rememberPause(pooled, pauses.isPaused(pooled.id), options)
  options.onChange()
}

function rememberPause<Credential>(
  pooled: PooledCredential<Credential>,
  isPaused: boolean,
  { state, clock }: Pick<ControlOptions<Credential>, 'state' | 'clock'>,
): void {
  if (pooled.isPaused === isPaused) return
  pooled.isPaused = isPaused
  remember(state.history, { at: clock.now(), credential: pooled.id, kind: isPaused ? 'paused' : 'resumed' })
}

function reportOf<Credential>(pooled: PooledCredential<Credential>, clock: Clock): CredentialReport {
  const { id, member, total, models, activity, cooldowns } = pooled
  const now = clock.monotonic()
  const { id: _name, ...snapshot } = snapshotOf(pooled, now)
  const cooldown = cooldowns.get(allModels)
  return {
    ...snapshot,
    id,
    name: member.id,
    fingerprint: member.fingerprint,
    setting: member.setting,
    // A cooldown does not hold the time of its refusal, so the time of the last refusal is shown.
    reason: cooldown && reportedRefusal(cooldown.error, activity.lastRefusal?.at ?? clock.now()),
    learnedLimit: learned(total),
    lastRefusal: activity.lastRefusal,
    calls1h: activity.calls.total(now),
    refused1h: activity.refusals.total(now),
    models: [...new Set([...models.keys(), ...activity.models.keys()])].map((model) => ({
      model,
      inFlight: models.get(model)?.inFlight ?? 0,
      learnedLimit: learned(models.get(model)),
      ...modelRefusals(activity, model, now),
    })),
  }
}

function modelRefusals({ models }: Activity, model: string, now: number) {
  const known = models.get(model)
  return { refused1h: known?.refusals.total(now) ?? 0, lastRefusal: known?.last }
}

function learned(concurrency: Concurrency | undefined): number | undefined {
  return concurrency?.limitedAt === undefined ? undefined : concurrency.limit
}

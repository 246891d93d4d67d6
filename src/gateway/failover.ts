import type { ErrorKind, GatewayError } from '../core/errors.ts'
import { asGatewayError } from '../core/errors.ts'
import type { ChatRequest } from '../core/request.ts'
import type { Model } from '../core/upstream.ts'
import { type ModelListing, type ModelRoute, type ModelRouteOptions, routeModel } from './model-routing.ts'
import type { UpstreamHealth } from './upstream-health.ts'

/** Whether another upstream may answer a request that failed with this kind of error before any part of a reply was sent. */
const isFailoverable = {
  'quota-exhausted': true,
  'upstream-auth': true,
  'upstream-blocked': true,
  'upstream-unavailable': true,
  'upstream-malformed': true,
  'upstream-truncated': true,
  'rate-limited': true,
  overloaded: true,
  timeout: true,
  'invalid-request': false,
  'content-filtered': false,
  'context-overflow': false,
  // The error is about the model, which another upstream may have.
  'not-found': true,
  unauthorized: false,
  forbidden: false,
  'too-large': false,
  cancelled: false,
  internal: false,
} as const satisfies Record<ErrorKind, boolean>

/** Errors about the model only. The same upstream may answer with another model. */
const modelRefusals: ReadonlySet<string> = new Set(['model_not_found', 'model_not_available'])

/** Errors about the caller's budget. They would be the same with another upstream. */
const callerRefusals: ReadonlySet<string> = new Set(['budget_used_up', 'budget_reserved', 'budget_unavailable'])

/** A route to try. */
export interface Candidate extends ModelRoute {
  /** The model replaces one that the client did not name and that the credentials may not use. */
  isAlternative: boolean
}

/**
 * The candidates for a request: its route, then the alternative models of the same upstream, then the later upstreams
 * in the operator's order that offer a model of the same public name or, if the client named no model, the first preferred
 * model that they have. Errors: those of `routeModel`.
 */
export function candidatesOf(
  request: ChatRequest,
  listings: readonly ModelListing[],
  options: ModelRouteOptions,
): [first: Candidate, ...others: Candidate[]] {
  const first = { ...routeModel(request, listings, options), isAlternative: false }
  if (listings.length === 1 && first.alternatives === undefined) return [first]
  const alternatives = (first.alternatives ?? []).map((model) => ({ ...first, model, isAlternative: true }))
  const behind = listings.slice(listings.findIndex(({ upstream }) => upstream === first.upstream) + 1)
  return [
    first,
    ...alternatives,
    ...behind.flatMap((listing) => sameModel(first, routeIn(listing)) ?? listedIn(listing)),
  ]

  function routeIn(listing: ModelListing): ModelRoute | undefined {
    try {
      return routeModel(request, [listing], options)
    } catch {
      return undefined // the upstream has no such model
    }
  }

  /** If the client did not name a model: the first of the preferred models that the upstream has. */
  function listedIn({ upstream, models }: ModelListing): Candidate[] {
    if (first.alternatives === undefined) return []
    const preferred = [first.model, ...first.alternatives]
    const found = preferred.flatMap((wanted) => models.filter((model) => isSame(model, wanted)))
    return found.slice(0, 1).map((model) => ({ ...first, upstream, model }))
  }
}

/** A route as a candidate if its model has the same name; `routeModel` may also map the request to another model. */
function sameModel(first: ModelRoute, other: ModelRoute | undefined): Candidate[] | undefined {
  return other && isSame(other.model, first.model) ? [{ ...other, isAlternative: false }] : undefined
}

function isSame(one: Model, other: Model): boolean {
  return one.id.toLowerCase() === other.id.toLowerCase()
}

/** A candidate that a request uses. */
export interface Use<Choice> {
  candidate: Choice
  /** Must be called when the request is finished with the candidate. */
  release: () => void
}

/** The first candidate whose upstream is not resting, or the first one if all are. */
export function useNext<Choice extends Pick<Candidate, 'upstream'>>(
  candidates: readonly Choice[],
  health: UpstreamHealth,
): Use<Choice> | undefined {
  const candidate = candidates.find(({ upstream }) => !health.isUnresponsive(upstream.id)) ?? candidates[0]
  return candidate && { candidate, release: health.begin(candidate.upstream.id) }
}

export interface TryOptions<Choice, Result> {
  attempt: (candidate: Choice) => Promise<Result>
  onFallback: (error: GatewayError, next: Choice) => void
  health: UpstreamHealth
}

/**
 * Tries one candidate after the other, beginning with `first`. Candidates with a resting upstream come last. Trying ends
 * when none is left, or with an error that another upstream would not avoid.
 *
 * Errors: the first error that a client may retry, else the first one. Errors about the model only are thrown if there
 * is no other.
 */
export async function tryInOrder<Choice extends Pick<Candidate, 'isAlternative' | 'upstream'>, Result>(
  candidates: readonly Choice[],
  first: Use<Choice>,
  { attempt, onFallback, health }: TryOptions<Choice, Result>,
): Promise<Result> {
  const errors: GatewayError[] = []
  let left = candidates.filter((candidate) => candidate !== first.candidate)
  let entry: Use<Choice> | undefined = first
  while (entry !== undefined) {
    const { candidate, release }: Use<Choice> = entry
    const isOther = ({ isAlternative, upstream }: Choice): boolean => !isAlternative || upstream !== candidate.upstream
    try {
      const result = await attempt(candidate)
      release()
      return result
    } catch (thrown) {
      release()
      const error = asGatewayError(thrown)
      errors.push(error)
      if (!isFailoverable[error.kind] || callerRefusals.has(error.code)) break
      const isRefused = modelRefusals.has(error.code)
      if (!isRefused) left = left.filter(isOther)
      entry = useNext(
        left.filter((other) => !other.isAlternative || (isRefused && !isOther(other))),
        health,
      )
      const next = entry?.candidate
      left = left.filter((other) => other !== next)
      if (next !== undefined) onFallback(error, next)
    }
  }
  const last = errors.at(-1)
  if (last?.kind === 'cancelled') throw last
  const others = errors.filter(({ code }) => !modelRefusals.has(code))
  throw others.find(({ retry }) => retry) ?? others[0] ?? errors[0] ?? new Error('nobody to ask')
}

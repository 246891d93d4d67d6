import type { ErrorKind, GatewayError } from '../core/errors.ts'
import { asGatewayError } from '../core/errors.ts'
import type { ChatRequest } from '../core/request.ts'
import type { Model } from '../core/upstream.ts'
import { type Offer, type Route, type RouteOptions, route } from './route.ts'

/** Whether a request that fails so, before anything of a reply was sent, may fare better with another upstream. */
const worthAnother = {
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
  // Of the model, which another upstream may have.
  'not-found': true,
  unauthorized: false,
  forbidden: false,
  'too-large': false,
  cancelled: false,
  internal: false,
} as const satisfies Record<ErrorKind, boolean>

/** Refusals of the model alone, after which the same upstream may answer with another one. */
const modelRefusals: ReadonlySet<string> = new Set(['model_not_found', 'model_not_available'])

/** A route to try, or a model to put in place of one that nobody named and the credentials may not use. */
export interface Rung extends Route {
  isAlternative: boolean
}

/**
 * Who answers, and who steps in where that fails: the route's alternatives, and the upstreams behind it in the
 * operator's order that offer a model of the same public name. Errors: as `route`.
 */
export function ladder(
  request: ChatRequest,
  offers: readonly Offer[],
  options: RouteOptions,
): [first: Rung, ...others: Rung[]] {
  const first = { ...route(request, offers, options), isAlternative: false }
  const instead = (first.alternatives ?? []).map((model) => ({ ...first, model, isAlternative: true }))
  const behind = offers.slice(offers.findIndex(({ upstream }) => upstream === first.upstream) + 1)
  return [first, ...instead, ...behind.flatMap((offer) => sameModel(first, routeIn(offer)) ?? listedIn(offer))]

  function routeIn(offer: Offer): Route | undefined {
    try {
      return route(request, [offer], options)
    } catch {
      return undefined // it has nothing of that name
    }
  }

  /** Where nobody named the model, the first of those preferred that the upstream has. */
  function listedIn({ upstream, models }: Offer): Rung[] {
    if (first.alternatives === undefined) return []
    const preferred = [first.model, ...first.alternatives]
    const found = preferred.flatMap((wanted) => models.filter((model) => isSame(model, wanted)))
    return found.slice(0, 1).map((model) => ({ ...first, upstream, model }))
  }
}

/** The fallbacks of `route` may end at another model, which the client has not asked for. */
function sameModel(first: Route, other: Route | undefined): Rung[] | undefined {
  return other && isSame(other.model, first.model) ? [{ ...other, isAlternative: false }] : undefined
}

function isSame(one: Model, other: Model): boolean {
  return one.id.toLowerCase() === other.id.toLowerCase()
}

/**
 * Tries one rung after the other. Errors: that of the first rung, or of the first for which a client does well to try
 * again, once no rung is left or one fails for a reason that is the request's own; refusals of the model alone are told
 * where there is nothing else.
 */
export async function climb<Step extends Pick<Rung, 'isAlternative'>, Result>(
  rungs: readonly Step[],
  attempt: (rung: Step) => Promise<Result>,
  fell: (error: GatewayError, next: Step) => void,
): Promise<Result> {
  const errors: GatewayError[] = []
  let [rung, ...left] = rungs
  while (rung !== undefined) {
    try {
      return await attempt(rung)
    } catch (thrown) {
      const error = asGatewayError(thrown)
      errors.push(error)
      if (!worthAnother[error.kind]) break
      const refused = modelRefusals.has(error.code)
      const at = left.findIndex(({ isAlternative }) => refused || !isAlternative)
      rung = left[at]
      left = left.slice(at + 1)
      if (rung !== undefined) fell(error, rung)
    }
  }
  const last = errors.at(-1)
  if (last?.kind === 'cancelled') throw last
  const others = errors.filter(({ code }) => !modelRefusals.has(code))
  throw others.find(({ retry }) => retry) ?? others[0] ?? errors[0] ?? new Error('nobody to ask')
}

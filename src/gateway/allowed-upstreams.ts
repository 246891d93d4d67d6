import type { CallerPermissions } from '../core/caller.ts'
import { GatewayError } from '../core/errors.ts'
import type { Upstream } from '../core/upstream.ts'

/**
 * The upstreams that a caller may use. The route of a request, its fallbacks and the known names of models are chosen
 * among these only, so the request cannot reach another upstream. Errors: `forbidden` if none is left.
 */
export function reachable(
  upstreams: readonly Upstream[],
  { upstreams: ids }: CallerPermissions = {},
): readonly Upstream[] {
  if (ids === undefined) return upstreams
  const found = upstreams.filter(({ id }) => ids.includes(id))
  if (found.length > 0) return found
  throw new GatewayError(
    'forbidden',
    `This key may be used for the upstreams ${ids.join(', ')} only, and this gateway has none of them any more. Whoever runs it can change that.`,
    { code: 'upstream_not_allowed' },
  )
}

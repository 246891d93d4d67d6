import { withTimeout } from '../../core/clock.ts'
import { addressOf } from '../../http/own-address.ts'
import type { Route } from '../../http/route.ts'
import type { OperatorContext } from '../operator-context.ts'
import { adminRoute } from '../route.ts'
import { Setups } from '../schema/setups.ts'

/** Setups name models, and an upstream may be slow to list them. */
const modelsTimeoutMs = 5_000

/**
 * `/admin/api/setups`: how each client is pointed at this gateway. The list is empty while the models are not known.
 */
export function setupRoutes(operator: OperatorContext): Route[] {
  return [
    adminRoute(
      {
        method: 'GET',
        path: '/setups',
        summary: 'How clients are set up, for the address that this is asked at',
        answer: Setups,
        async handle({ request }) {
          const making = operator.program?.setups(addressOf(request)).catch(() => []) ?? Promise.resolve([])
          return { setups: await withTimeout(making, modelsTimeoutMs, () => [], operator.clock) }
        },
      },
      operator,
    ),
  ]
}

import { GatewayError } from '../core/errors.ts'
import { truncate } from '../core/truncate.ts'
import type { Route } from '../http/route.ts'
import { encodeAdminError } from './errors.ts'
import type { OperatorContext } from './operator-context.ts'
import { adminPath } from './route.ts'
import { agentSessionRoutes } from './routes/agent-sessions.ts'
import { captureRoutes } from './routes/capture.ts'
import { type KeyRouteOptions, keyRoutes } from './routes/client-keys.ts'
import { eventRoutes } from './routes/events.ts'
import { nowRoutes } from './routes/now.ts'
import { type InternalRequests, requestDetailRoutes } from './routes/request-detail.ts'
import { type Remembered, requestRoutes } from './routes/requests.ts'
import { setupRoutes } from './routes/setups.ts'
import { type SignInOptions, signInRoutes } from './routes/sign-in.ts'
import { systemRoutes } from './routes/system.ts'
import { upstreamRoutes } from './routes/upstreams.ts'
import { usageRoutes } from './routes/usage.ts'

interface AdminOptions extends SignInOptions {
  /** None without a database. */
  keys: KeyRouteOptions['keys'] | undefined
}

/** The routes of the operator's page. Without an operator, only the routes for signing in and for keys exist. */
export function adminRoutes(
  options: AdminOptions,
  operator: OperatorContext | undefined,
  internal: InternalRequests,
): Route[] {
  const { clock, keys } = options
  return [
    ...signInRoutes(options),
    ...(keys ? keyRoutes({ clock, keys }) : []),
    ...(operator
      ? [
          ...nowRoutes(operator),
          ...setupRoutes(operator),
          ...eventRoutes(operator, options.operators),
          ...requestDetailRoutes(operator, internal),
          ...captureRoutes(operator),
          ...upstreamRoutes(operator),
          ...systemRoutes(operator, options.operators),
        ]
      : []),
    ...(operator?.remembered ? rememberedRoutes(operator, operator.remembered) : []),
    unknownAdminRoute,
  ]
}

function rememberedRoutes(operator: OperatorContext, remembered: Remembered): Route[] {
  return [
    ...requestRoutes(operator, remembered),
    ...agentSessionRoutes(operator, remembered),
    ...usageRoutes(operator, remembered),
  ]
}

/** 404 for unknown admin paths; only the operator gets it. */
const unknownAdminRoute: Route = {
  method: 'ALL',
  path: `${adminPath}/*`,
  access: 'operator',
  encodeError: encodeAdminError,
  handle({ request, path }) {
    throw new GatewayError('not-found', `${request.method} ${truncate(path)} does not exist here; see /docs.`, {
      code: 'unknown_url',
    })
  },
}

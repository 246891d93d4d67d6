import { GatewayError } from '../core/errors.ts'
import { truncate } from '../core/truncate.ts'
import type { Route } from '../http/route.ts'
import { encodeAdminError } from './errors.ts'
import { adminPath } from './route.ts'
import { type SignInOptions, signInRoutes } from './routes/session.ts'

/** All that the operator's page asks and does. */
export function adminRoutes(options: SignInOptions): Route[] {
  return [...signInRoutes(options), unknownAdminRoute]
}

/** Says to the operator alone what there is not. */
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

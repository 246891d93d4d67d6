import type { Dialect } from '../core/dialect.ts'
import { GatewayError } from '../core/errors.ts'
import { truncate } from '../core/truncate.ts'
import { documentedPath, usualBasePath } from './base-paths.ts'
import type { Route } from './route.ts'

/**
 * The address of each dialect that serves replies, for error messages and checks. A dialect with several has the first
 * one here.
 */
export function replyAddresses(dialects: readonly Dialect[]): { dialect: Dialect; path: string }[] {
  return dialects
    .filter(({ isLegacy }) => !isLegacy)
    .flatMap((dialect) =>
      dialect.routes
        .filter(({ serves }) => serves === 'reply')
        .slice(0, 1)
        .map(({ path }) => ({ dialect, path: documentedPath(dialect, path.replace('+', '')) })),
    )
}

/** The answer for all other paths. Only callers with access are told which path is unknown. */
export function unknownRoute(dialects: readonly Dialect[]): Route {
  const addresses = replyAddresses(dialects).map(({ path }) => `POST ${path}`)
  const known = [...addresses, `GET ${usualBasePath}/models`, 'GET /healthz'].join(', ')
  return {
    method: 'ALL',
    path: '/*',
    access: 'client',
    handle({ request, path }) {
      throw new GatewayError(
        'not-found',
        `${request.method} ${truncate(path)} does not exist here. There is ${known} and GET /docs.`,
        { code: 'unknown_url' },
      )
    },
  }
}

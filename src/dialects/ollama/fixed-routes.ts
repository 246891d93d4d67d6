import type { DialectRoute, FixedRoute } from '../../core/dialect-route.ts'
import { GatewayError } from '../../core/errors.ts'

/** Clients use it to find out what the API can do. Source: the newest version that Ollama's documentation of 2026-08 names. */
const version = '0.24.0'

const common = { serves: 'fixed', access: 'client' } as const

export const fixedRoutes: DialectRoute[] = [
  {
    ...common,
    method: 'GET',
    path: '/version',
    summary: 'The version of the API',
    answer: () => ({ version }),
  },
  {
    ...common,
    method: 'GET',
    path: '/ps',
    summary: 'The models in memory: none, for all of them run elsewhere',
    answer: () => ({ models: [] }),
  },
  refused('POST', '/pull', 'Download a model'),
  refused('POST', '/push', 'Publish a model'),
  refused('POST', '/create', 'Make a model'),
  refused('POST', '/copy', 'Copy a model'),
  refused('DELETE', '/delete', 'Delete a model'),
  refused('POST', '/blobs/:digest', 'Store a part of a model'),
]

function refused(method: FixedRoute['method'], path: string, what: string): DialectRoute {
  return {
    ...common,
    method,
    path,
    summary: `${what}: refused, for no models are kept here`,
    answer() {
      throw new GatewayError(
        'invalid-request',
        `This server keeps no models itself, so there is nothing to ${wordOf(path)} here. GET /api/tags lists the models that it offers.`,
        { code: 'not_supported' },
      )
    },
  }
}

/** `/blobs/:digest` is the upload of a file. */
function wordOf(path: string): string {
  return path.startsWith('/blobs') ? 'upload' : path.slice(1)
}

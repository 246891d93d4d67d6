import type { Dialect } from '../core/dialect.ts'
import type { Gateway } from '../gateway/index.ts'
import type { RequestRecord } from '../observe/record.ts'
import type { ResponseStore } from '../store/responses.ts'
import { basePaths, documented } from './base-paths.ts'
import { bodyCheck } from './body-validation.ts'
import type { AdmitAndReadBody } from './dialect-routes.ts'
import { resolveReferences } from './resolve-references.ts'
import type { Route, RouteContext } from './route.ts'

export interface CountRouteOptions {
  gateway: Gateway
  store: ResponseStore
  recordOf: (request: Request) => RequestRecord
  admitAndReadBody: AdmitAndReadBody
}

/**
 * What a body would cost, without asking any upstream: `POST /v1/messages/count_tokens`, of which Claude Code sends
 * about 26 at once and adds them up, and `POST /v1/responses/input_tokens`.
 */
export function countRoutes(dialect: Dialect, options: CountRouteOptions): Route[] {
  const { gateway, store, recordOf, admitAndReadBody } = options
  const { count } = dialect
  if (!count) return []
  const check = bodyCheck(dialect.body)
  const handle = async ({ request, params }: RouteContext) => {
    const body = await admitAndReadBody(request, check, false)
    const record = recordOf(request)
    const complete = await resolveReferences(dialect, body, store, record.caller)
    const { request: asked, options: details } = dialect.decode(complete, { headers: request.headers, params })
    record.model = asked.model
    const { signal } = request
    const tokens = await gateway.count(asked, { signal, annotate: (note) => record.notes.push(note) })
    return count.encode(tokens, details)
  }
  return basePaths.map((basePath) => ({
    method: 'POST',
    path: basePath + dialect.path + count.path,
    access: 'client',
    dialect,
    docs: documented(basePath, dialect.id, 'What a request would cost'),
    handle,
  }))
}

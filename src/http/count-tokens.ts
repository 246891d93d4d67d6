import type { Dialect } from '../core/dialect.ts'
import { costOf } from '../core/dialect-route.ts'
import type { Gateway } from '../gateway/index.ts'
import type { RequestRecord } from '../observe/record.ts'
import { behindBasePaths } from './base-paths.ts'
import { bodyCheck } from './body-validation.ts'
import type { AdmitAndReadBody } from './reply-routes.ts'
import { type ReferenceSources, resolveReferences } from './resolve-references.ts'
import type { Route, RouteContext } from './route.ts'

export interface CountRouteOptions extends ReferenceSources {
  gateway: Gateway
  recordOf: (request: Request) => RequestRecord
  admitAndReadBody: AdmitAndReadBody
}

/** The routes that count the tokens of a body, without a request to an upstream. */
export function countRoutes(dialect: Dialect, basePaths: readonly string[], options: CountRouteOptions): Route[] {
  const { gateway, recordOf, admitAndReadBody } = options
  const { count, conversationFields } = dialect
  if (!count) return []
  const admission = { cost: costOf.count, check: bodyCheck(dialect.body), conversationFields }
  return dialect.routes
    .filter(({ serves }) => serves === 'count')
    .flatMap(({ method, path, access }) => {
      const handle = async ({ request, params, query }: RouteContext) => {
        const { body } = await admitAndReadBody(request, admission)
        const record = recordOf(request)
        const complete = await resolveReferences(dialect, body, options, record.caller)
        const decoded = dialect.decode(complete, { headers: request.headers, params, query, path })
        record.model = decoded.request.model
        const tokens = await gateway.count(decoded.request, {
          signal: request.signal,
          caller: record.caller.keyId,
          allowed: record.caller.policy,
          annotate: (note) => record.notes.push(note),
        })
        return count.encode(tokens, decoded.options)
      }
      const docs = { tags: [dialect.id], summary: 'What a request would cost' }
      return behindBasePaths({ method, path, access, dialect, docs, handle }, basePaths)
    })
}

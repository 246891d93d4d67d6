import type { Static, TObject, TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { Clock } from '../core/clock.ts'
import { readJson } from '../http/body.ts'
import { bodyCheck, invalidBody } from '../http/body-validation.ts'
import type { Route, RouteContext } from '../http/route.ts'
import { mapDatabaseErrors } from '../store/map-database-errors.ts'
import { encodeAdminError } from './errors.ts'
import { operationOf } from './openapi-operation.ts'

export const adminPath = '/admin/api'

/** One route of `/admin/api`, with the shapes of what it takes and answers. */
export interface AdminRoute<Query extends TObject, Body extends TSchema, Answer extends TSchema> {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** The path behind `/admin/api`: `/requests/:id`. */
  path: string
  /** Absent for routes of the operator, which are all but the one for signing in. */
  access?: 'sign-in'
  summary: string
  description?: string
  /** Values arrive as text: numbers are converted. */
  query?: Query
  body?: Body
  /** Without one the answer is empty: 204. */
  answer?: Answer
  /** What the answer is, where it is not JSON: `text/event-stream`. Then `answer` is the shape of one event. */
  contentType?: string
  /** Errors: GatewayError. */
  handle(context: AdminContext<Static<Query>, Static<Body>>): AnswerOf<Answer> | Promise<AnswerOf<Answer>>
}

type AnswerOf<Answer extends TSchema> = Response | (unknown extends Static<Answer> ? undefined : Static<Answer>)

export interface AdminContext<Query, Body> extends Omit<RouteContext, 'query'> {
  query: Query
  body: Body
}

/** How long and how large the bodies of these routes may be; all of them are small. */
export interface AdminBodyOptions {
  clock: Clock
}

const maxBodyBytes = 65_536
const bodyTimeoutMs = 10_000

/** Validates requests, and keeps responses out of caches and away from other pages. */
export function adminRoute<
  Query extends TObject = TObject<Record<string, never>>,
  Body extends TSchema = TSchema,
  Answer extends TSchema = TSchema,
>(route: AdminRoute<Query, Body, Answer>, { clock }: AdminBodyOptions): Route {
  const { method, path, access = 'operator', query: querySchema, body: bodySchema } = route
  const check = bodySchema && bodyCheck(bodySchema)
  return {
    method,
    path: adminPath + path,
    access,
    docs: operationOf(route),
    encodeError: encodeAdminError,
    async handle({ request, params, query: given, path }) {
      const query = querySchema && checkedQuery(querySchema, given)
      let body: unknown
      if (check) {
        const read = await readJson(request, { maxBytes: maxBodyBytes, timeoutMs: bodyTimeoutMs, clock })
        body = read.body
        check(body)
      }
      // Query and body were checked against their schemas, where the route has any.
      const context = { request, params, path, query, body } as AdminContext<Static<Query>, Static<Body>>
      return withHeaders(await mapDatabaseErrors((async () => await route.handle(context))()))
    },
  }
}

/** Members that the schema does not know are left out. Errors: `invalid-request`, naming the parameter. */
function checkedQuery(schema: TObject, given: RouteContext['query']): unknown {
  const known = Object.fromEntries(
    Object.entries(given).filter(([name, value]) => name in schema.properties && value !== undefined),
  )
  const query = Value.Convert(schema, known)
  if (!Value.Check(schema, query)) throw invalidBody(schema, query)
  return query
}

function withHeaders(answer: unknown): Response {
  const response =
    answer instanceof Response
      ? answer
      : answer === undefined
        ? new Response(null, { status: 204 })
        : Response.json(answer)
  for (const [name, value] of Object.entries(adminHeaders))
    if (!response.headers.has(name)) response.headers.set(name, value)
  return response
}

const adminHeaders = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
}

import type { TObject, TSchema } from '@sinclair/typebox'
import type { RouteDocs } from '../http/route.ts'
import { AdminError } from './schema/error.ts'

/** What the document says of a route: see `AdminRoute`. */
export interface Documented {
  path: string
  summary: string
  description?: string
  query?: TObject
  body?: TSchema
  answer?: TSchema
  contentType?: string
}

/** The operation of a route in OpenAPI's words. Schemas with an id are referred to, so that each is written once. */
export function operationOf({ path, summary, query, body, answer, ...route }: Documented): RouteDocs {
  const schemas: Record<string, object> = {}
  const described = (schema: TSchema) => referring(schema, schemas)
  const contentType = route.contentType ?? 'application/json'
  return {
    tags: ['admin'],
    summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    parameters: [
      ...[...path.matchAll(/\/:(\w+)/g)].map(([, name]) => ({
        ...{ name, in: 'path', required: true, schema: { type: 'string' } },
      })),
      ...Object.entries(query?.properties ?? {}).map(([name, schema]) => ({
        ...{ name, in: 'query', required: query?.required?.includes(name) ?? false, schema: described(schema) },
      })),
    ],
    ...(body ? { requestBody: { required: true, content: { 'application/json': { schema: described(body) } } } } : {}),
    responses: {
      ...(answer
        ? { 200: { description: 'OK', content: { [contentType]: { schema: described(answer) } } } }
        : { 204: { description: 'Done.' } }),
      '4XX': {
        description: 'Not the operator, or a request that cannot be served.',
        content: { 'application/json': { schema: described(AdminError) } },
      },
    },
    schemas,
  }
}

/** The schema as JSON; parts with an id become references to `schemas`, where they are put. */
function referring(schema: object, schemas: Record<string, object>): object {
  return JSON.parse(JSON.stringify(schema), (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || !('$id' in value)) return value
    const { $id, ...rest } = value
    const name = `admin.${String($id)}`
    schemas[name] = rest
    return { $ref: `#/components/schemas/${name}` }
  })
}

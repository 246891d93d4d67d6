import type { Dialect, StoredResponse } from '../core/dialect.ts'
import { GatewayError, invalidField } from '../core/errors.ts'
import { truncate } from '../core/truncate.ts'
import type { RequestRecord } from '../observe/record.ts'
import type { ResponseStore } from '../store/responses.ts'
import { basePaths, documented } from './base-paths.ts'
import type { Route } from './route.ts'

/** What OpenAI's Responses API does with a response once it is there: read it, list its input, delete it. */
export function responseRoutes(
  dialect: Dialect,
  store: ResponseStore,
  recordOf: (request: Request) => RequestRecord,
): Route[] {
  if (!dialect.storedConversation) return []
  const ownerOf = (request: Request) => recordOf(request).caller.keyId
  const storedOr404 = async (request: Request, id: string): Promise<StoredResponse> => {
    const stored = await store.get(ownerOf(request), id)
    if (!stored) throw unknownResponse(id)
    return stored
  }
  return basePaths.flatMap((basePath) => {
    const path = `${basePath}${dialect.path}/:id`
    const common = { access: 'client', dialect } satisfies Partial<Route>
    const docs = (summary: string) => documented(basePath, dialect.id, summary)
    return [
      {
        ...common,
        method: 'GET',
        path,
        docs: docs('A stored response'),
        async handle({ request, params: { id = '' }, query }) {
          if (query.stream === 'true') throw invalidField('stream', 'responses are kept whole, without their events.')
          return (await storedOr404(request, id)).reply
        },
      },
      {
        ...common,
        method: 'DELETE',
        path,
        docs: docs('Forget a stored response'),
        async handle({ request, params: { id = '' } }) {
          if (!(await store.delete(ownerOf(request), id))) throw unknownResponse(id)
          return { id, object: 'response', deleted: true }
        },
      },
      {
        ...common,
        method: 'GET',
        path: `${path}/input_items`,
        docs: docs('The conversation a stored response answered'),
        handle: async ({ request, params: { id = '' }, query }) => page((await storedOr404(request, id)).input, query),
      },
      {
        ...common,
        method: 'POST',
        path: `${path}/cancel`,
        docs: docs('Refused: nothing runs in the background here'),
        async handle({ request, params: { id = '' } }) {
          await storedOr404(request, id)
          throw new GatewayError('invalid-request', 'Cannot cancel a synchronous response: this one is over.')
        },
      },
    ] satisfies Route[]
  })
}

function unknownResponse(id: string): GatewayError {
  return new GatewayError(
    'not-found',
    `Response with id '${truncate(id)}' not found. Responses are stored unless \`store\` is false, and not for ever.`,
    { code: 'response_not_found', param: 'response_id' },
  )
}

/** OpenAI pages by id: `after`, `order` (newest first unless `asc`), and `limit` of 1 to 100, 20 unless told. */
function page(items: StoredResponse['input'], query: Record<string, string | undefined>) {
  const limit = Number(query.limit ?? 20)
  if (!Number.isInteger(limit) || limit < 1 || limit > 100)
    throw invalidField('limit', 'expected a whole number from 1 to 100')
  const inOrder = query.order === 'asc' ? items : items.toReversed()
  const start = query.after === undefined ? 0 : inOrder.findIndex(({ id }) => id === query.after) + 1
  const data = inOrder.slice(start, start + limit)
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: start + limit < inOrder.length,
  }
}

import { Elysia } from 'elysia'
import { brief } from '../core/brief.ts'
import type { KeptReply } from '../core/dialect.ts'
import { GatewayError } from '../core/errors.ts'
import type { ResponseStore } from '../store/responses.ts'
import { basePaths, isDocumented } from './base-paths.ts'

/** What OpenAI's Responses API does with a response once it is there: read it, list its input, delete it. */
export function responseRoutes(store: ResponseStore) {
  const app = new Elysia()
  for (const basePath of basePaths) {
    const path = `${basePath}/responses/:id` as const
    const detail = { hide: !isDocumented(basePath), tags: ['openai-responses'] }
    app
      .get(
        path,
        ({ params, query }) => {
          if (query.stream === 'true')
            throw new GatewayError('invalid-request', 'stream: responses are kept whole, without their events.', {
              param: 'stream',
            })
          return keptOr404(store, params.id).reply
        },
        { detail: { ...detail, summary: 'A stored response' } },
      )
      .delete(
        path,
        ({ params }) => {
          if (!store.delete(params.id)) throw unknownResponse(params.id)
          return { id: params.id, object: 'response', deleted: true }
        },
        { detail: { ...detail, summary: 'Forget a stored response' } },
      )
      .get(`${path}/input_items`, ({ params, query }) => page(keptOr404(store, params.id).input, query), {
        detail: { ...detail, summary: 'The conversation a stored response answered' },
      })
      .post(
        `${path}/cancel`,
        ({ params }) => {
          keptOr404(store, params.id)
          throw new GatewayError('invalid-request', 'Cannot cancel a synchronous response: this one is over.')
        },
        { detail: { ...detail, summary: 'Refused: nothing runs in the background here' } },
      )
  }
  return app
}

function keptOr404(store: ResponseStore, id: string): KeptReply {
  const kept = store.get(id)
  if (!kept) throw unknownResponse(id)
  return kept
}

function unknownResponse(id: string): GatewayError {
  return new GatewayError(
    'not-found',
    `Response with id '${brief(id)}' not found. Responses are stored unless \`store\` is false, and not for ever.`,
    { code: 'response_not_found', param: 'response_id' },
  )
}

/** OpenAI pages by id: `after`, `order` (newest first unless `asc`), and `limit` of 1 to 100, 20 unless told. */
function page(items: KeptReply['input'], query: Record<string, string | undefined>) {
  const limit = Number(query.limit ?? 20)
  if (!Number.isInteger(limit) || limit < 1 || limit > 100)
    throw new GatewayError('invalid-request', 'limit: expected a whole number from 1 to 100', { param: 'limit' })
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

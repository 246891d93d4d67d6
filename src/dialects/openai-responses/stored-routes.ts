import type { DialectRoute, Query, StoredResponse } from '../../core/dialect.ts'
import { GatewayError, invalidField } from '../../core/errors.ts'
import { truncate } from '../../core/truncate.ts'

const text = { type: 'string' }
const common = { serves: 'stored', access: 'client' } as const

/** The routes of OpenAI's Responses API for a stored response: read it, list its input, delete it. */
export const storedRoutes: DialectRoute[] = [
  {
    ...common,
    method: 'GET',
    path: '/responses/:id',
    summary: 'A stored response',
    answer({ reply }, query) {
      if (query.stream === 'true') throw invalidField('stream', 'responses are kept whole, without their events.')
      return reply
    },
    docs: { description: 'The whole reply.' },
  },
  {
    ...common,
    method: 'DELETE',
    path: '/responses/:id',
    summary: 'Forget a stored response',
    deletes: true,
    answer: ({ id }) => ({ id, object: 'response', deleted: true }),
    docs: { description: 'It is forgotten.' },
  },
  {
    ...common,
    method: 'GET',
    path: '/responses/:id/input_items',
    summary: 'The conversation a stored response answered',
    answer: ({ input }, query) => page(input, query),
    docs: {
      description: 'One page of it.',
      parameters: [
        {
          name: 'limit',
          description: '1 to 100, 20 unless told',
          schema: { type: 'integer', minimum: 1, maximum: 100 },
        },
        { name: 'order', description: 'Newest first unless `asc`', schema: { ...text, enum: ['asc', 'desc'] } },
        { name: 'after', description: 'Items behind this one', schema: text },
      ],
    },
  },
  {
    ...common,
    method: 'POST',
    path: '/responses/:id/cancel',
    summary: 'Refused: nothing runs in the background here',
    answer() {
      throw new GatewayError('invalid-request', 'Cannot cancel a synchronous response: this one is over.')
    },
    docs: { description: 'Never.' },
  },
]

export function notFound(id: string): GatewayError {
  return new GatewayError(
    'not-found',
    `Response with id '${truncate(id)}' not found. Responses are stored unless \`store\` is false, and not for ever.`,
    { code: 'response_not_found', param: 'response_id' },
  )
}

/**
 * OpenAI's pagination by id: `after`, `order` (newest first unless `asc`), and `limit` from 1 to 100, by default 20.
 */
function page(items: StoredResponse['input'], query: Query) {
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

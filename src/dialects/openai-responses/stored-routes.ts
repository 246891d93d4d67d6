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
    eventsAfter: ({ stream, starting_after }) => (stream === 'true' ? numberOfEvent(starting_after) : undefined),
    answer({ reply }, query) {
      if (query.stream === 'true')
        throw invalidField('stream', 'the events of this response are gone; ask for it without `stream`.')
      return reply
    },
    docs: {
      description: 'The reply; of one in the background, as far as it is written.',
      parameters: [
        {
          name: 'stream',
          description: 'Of a response in the background: its events, while it is written and for some time after',
          schema: { type: 'boolean' },
        },
        {
          name: 'starting_after',
          description: 'With `stream`: the events behind the one of this number',
          schema: { type: 'integer', minimum: 0 },
        },
      ],
    },
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
    summary: 'End a response that is written in the background',
    cancels: true,
    answer({ reply }) {
      if (reply.background === true) return reply
      throw new GatewayError('invalid-request', 'Cannot cancel a synchronous response: this one is over.')
    },
    docs: { description: 'What there is of it; one that was over stays as it was.' },
  },
]

function numberOfEvent(text: string | undefined): number {
  if (text === undefined) return -1
  const number = Number(text)
  if (!Number.isInteger(number) || number < 0) throw invalidField('starting_after', 'expected the number of an event')
  return number
}

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

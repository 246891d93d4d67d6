import type { Query } from '../../core/dialect-route.ts'
import { invalidField } from '../../core/errors.ts'
import type { StoredResponse } from '../../core/stored-conversation.ts'

const text = { type: 'string' }

/** The query of a list, for the documentation. */
export const pageParameters = [
  {
    name: 'limit',
    description: '1 to 100, 20 unless told',
    schema: { type: 'integer', minimum: 1, maximum: 100 },
  },
  { name: 'order', description: 'Newest first unless `asc`', schema: { ...text, enum: ['asc', 'desc'] } },
  { name: 'after', description: 'Items behind this one', schema: text },
]

/**
 * OpenAI's pagination by id: `after`, `order` (newest first unless `asc`), and `limit` from 1 to 100, by default 20.
 */
export function pageOf(items: StoredResponse['input'], query: Query) {
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

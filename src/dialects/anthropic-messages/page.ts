import type { Query } from '../../core/dialect-route.ts'
import { invalidField } from '../../core/errors.ts'
import type { PageQuery } from '../../core/page-query.ts'

const text = { type: 'string' }

/** The query of a list, for the documentation. */
export function pageParameters(what: string) {
  return [
    {
      name: 'limit',
      description: '1 to 1000, 20 unless told',
      schema: { type: 'integer', minimum: 1, maximum: 1000 },
    },
    { name: 'after_id', description: `${what} behind this one`, schema: text },
    { name: 'before_id', description: `${what} before this one`, schema: text },
  ]
}

/** Anthropic's pagination by id: `after_id`, `before_id`, and `limit` from 1 to 1000, by default 20. Errors: `invalid-request`. */
export function pageOf(query: Query): PageQuery {
  const limit = Number(query.limit ?? 20)
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000)
    throw invalidField('limit', 'expected a whole number from 1 to 1000')
  return { limit, after: query.after_id, before: query.before_id }
}

import { invalidField } from '../../core/errors.ts'
import type { Sql } from '../../database/sql.ts'
import type { Route } from '../../http/route.ts'
import { type RequestFilter, requestPage } from '../../store/requests.ts'
import { storedRow } from '../request-row.ts'
import { adminRoute } from '../route.ts'
import type { Operator } from '../route-context.ts'
import { RequestPage, RequestQuery } from '../schema/requests.ts'

/** Where finished requests are. */
export interface Remembered {
  sql: Sql
  /** Stores what waits to be stored. */
  flush(): Promise<void>
  /** Tokens that a model takes; `undefined` if that is not known. */
  windowOf(model: string): number | undefined
}

const usualLimit = 100

/** `/admin/api/requests`: what there was. What is under way is in `/admin/api/now`. */
export function requestRoutes(operator: Operator, { sql, flush }: Remembered): Route[] {
  return [
    adminRoute(
      {
        method: 'GET',
        path: '/requests',
        summary: 'Finished requests, newest first',
        description:
          'A page may have fewer rows than asked for, even none, and still a next one: a search looks at a part of all requests at a time.',
        query: RequestQuery,
        answer: RequestPage,
        async handle({ query }) {
          const { before, limit = usualLimit, min_ms: minMs, q: words, notes, ...named } = query
          const filter: RequestFilter = { ...named, words, minMs, noted: notes === 'any' }
          // The latest are written a second later; older pages do not change by them.
          if (before === undefined) await flush()
          const page = await requestPage(sql, filter, limit, before)
          if (page === undefined) throw invalidField('before', 'expected `next` of another page')
          const { rows, next } = page
          return { rows: rows.map(storedRow), ...(next === undefined ? {} : { next }) }
        },
      },
      operator,
    ),
  ]
}

import { invalidField } from '../../core/errors.ts'
import type { Sql } from '../../database/sql.ts'
import type { Route } from '../../http/route.ts'
import { type RequestFilter, requestPage } from '../../store/requests.ts'
import { csvHeaders, csvLines } from '../csv.ts'
import type { OperatorContext } from '../operator-context.ts'
import { storedRow } from '../request-row.ts'
import { adminRoute } from '../route.ts'
import { RequestPage, RequestQuery, type RequestRow } from '../schema/requests.ts'

/** Where finished requests are. */
export interface Remembered {
  sql: Sql
  /** Stores what waits to be stored. */
  flush(): Promise<void>
  /** Tokens that a model takes; `undefined` if that is not known. */
  windowOf(model: string): number | undefined
}

const usualLimit = 100

/** `/admin/api/requests`: requests that have ended. Those under way are in `/admin/api/now`. */
export function requestRoutes(operator: OperatorContext, { sql, flush }: Remembered): Route[] {
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
          const { before, limit = usualLimit, min_ms: minMs, q: words, notes, format, ...named } = query
          const filter: RequestFilter = { ...named, words, minMs, noted: notes === 'any' }
          // The latest are written a second later; older pages do not change by them.
          if (before === undefined) await flush()
          if (format === 'csv') return new Response(tableOf(sql, filter), { headers: csvHeaders('requests.csv') })
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

const rowsAtATime = 500
const mostRows = 100_000

/** All rows of a filter as CSV, a page at a time, as fast as they are read. There is no word of a prompt in a row. */
function tableOf(sql: Sql, filter: RequestFilter): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  let before: string | undefined
  let left = mostRows
  return new ReadableStream({
    start: (controller) => controller.enqueue(encoder.encode(csvLines([Object.keys(columns)]))),
    async pull(controller) {
      // An empty page must not end the export, so reading goes on to the next one.
      for (;;) {
        const page = await requestPage(sql, filter, Math.min(left, rowsAtATime), before)
        const rows = page?.rows.map(storedRow) ?? []
        left -= rows.length
        before = page?.next
        if (rows.length > 0)
          controller.enqueue(encoder.encode(csvLines(rows.map((row) => Object.values(columns).map((of) => of(row))))))
        if (before === undefined || left === 0) return controller.close()
        if (rows.length > 0) return
      }
    },
  })
}

const columns: Record<string, (row: RequestRow) => string | number | undefined> = {
  id: ({ id }) => id,
  at: ({ at }) => new Date(at).toISOString(),
  client: ({ client }) => client?.name,
  client_version: ({ client }) => client?.version,
  session: ({ session }) => session,
  agent: ({ agent }) => agent,
  key: ({ key }) => key.label,
  api: ({ dialect }) => dialect,
  asked: ({ asked }) => asked,
  model: ({ model }) => model,
  upstream: ({ upstream }) => upstream,
  status: ({ status }) => status,
  stop_reason: ({ stop_reason }) => stop_reason,
  error: ({ error }) => error?.code,
  wait_ms: ({ wait_ms }) => wait_ms,
  first_ms: ({ first_ms }) => first_ms,
  total_ms: ({ total_ms }) => total_ms,
  input: ({ input }) => input,
  cached: ({ cached }) => cached,
  output: ({ output }) => output,
  reasoning: ({ reasoning }) => reasoning,
  credits: ({ credits }) => credits,
  usd: ({ usd }) => usd,
  notes: ({ notes }) => notes.join('; '),
}

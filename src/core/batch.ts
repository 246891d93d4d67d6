import type { GatewayError } from './errors.ts'
import type { PageQuery } from './page-query.ts'

/** Requests whose replies nobody waits for. Times in epoch milliseconds. */
export interface Batch {
  id: string
  createdAt: number
  /** Requests that are not done by then expire. */
  expiresAt: number
  cancelledAt?: number | undefined
  endedAt?: number | undefined
  /** The number of its requests. */
  size: number
  /** What became of them; all 0 until the batch has ended. */
  counts: Readonly<Record<BatchOutcome, number>>
}

export const batchOutcomes = ['succeeded', 'errored', 'canceled', 'expired'] as const
export type BatchOutcome = (typeof batchOutcomes)[number]

export interface BatchEntry {
  /** The client's name for it, unique in its batch. */
  name: string
  /** The body of the request. */
  body: object
}

export interface BatchResult {
  /** The position in the batch, from 0. */
  n: number
  name: string
  outcome: BatchOutcome
  /** The body of the response, as JSON; absent where there was none. */
  response?: string | undefined
}

/** How a dialect presents batches; goes with routes that serve `batch`. */
export interface BatchFormat {
  /** Prefix of the ids of batches: `msgbatch_`. */
  idPrefix: string
  /** The path of the requests that a batch is made of, behind a base path: `/messages`. */
  requestPath: string
  /** The requests in a body that fits the schema of the route, one by one. Errors: `invalid-request`. */
  entries(body: unknown): Iterable<BatchEntry>
  encode(batch: Batch, resultsUrl: string): object
  encodePage(page: { batches: object[]; ids: string[]; hasMore: boolean }): object
  encodeDeleted(id: string): object
  /** The page that a query wants. Errors: `invalid-request`. */
  pageOf(query: Readonly<Record<string, string | undefined>>): PageQuery
  /** One line of the results, without its end. */
  resultLine(result: BatchResult): string
  resultsContentType: string
  notFound(id: string): GatewayError
  /** The error for a batch that is not over: its results are wanted, or it is to be deleted. */
  notEnded(id: string, wanted: 'results' | 'deletion'): GatewayError
}

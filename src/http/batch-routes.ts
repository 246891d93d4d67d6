import { Type } from '@sinclair/typebox'
import { jsonInPortions } from '../async/json-in-portions.ts'
import type { Batch, BatchFormat } from '../core/batch.ts'
import type { Clock } from '../core/clock.ts'
import type { Dialect } from '../core/dialect.ts'
import { type BatchRoute, costOf } from '../core/dialect-route.ts'
import { GatewayError } from '../core/errors.ts'
import { yieldBetweenSteps } from '../core/yield-between-steps.ts'
import type { RequestRecord } from '../observe/record.ts'
import type { NewBatchRequest } from '../store/batch-requests.ts'
import type { BatchStore } from '../store/batches.ts'
import { behindBasePaths, documentedPath } from './base-paths.ts'
import type { BatchRunner } from './batch-runner.ts'
import { bodyCheck } from './body-validation.ts'
import { addressOf } from './own-address.ts'
import type { AdmitAndReadBody } from './reply-routes.ts'
import { requestIdHeaders } from './response-headers.ts'
import type { Route, RouteContext } from './route.ts'

export interface BatchRouteOptions {
  store: BatchStore
  runner: BatchRunner
  newId: (prefix: string) => string
  clock: Clock
  recordOf: (request: Request) => RequestRecord
  admitAndReadBody: AdmitAndReadBody
}

/** The routes for batches, in the format of their dialect. */
export function batchRoutes(dialect: Dialect, basePaths: readonly string[], options: BatchRouteOptions): Route[] {
  const { batches: format } = dialect
  if (!format) return []
  return dialect.routes.flatMap((route) => {
    if (route.serves !== 'batch') return []
    const { method, path, access, summary } = route
    const handle = handlerOf(route, dialect, format, options)
    const docs = { tags: [dialect.id], summary, description: route.docs.description }
    return behindBasePaths({ method, path, access, dialect, docs, handle }, basePaths)
  })
}

function handlerOf(route: BatchRoute, dialect: Dialect, format: BatchFormat, options: BatchRouteOptions) {
  const { store, runner, recordOf } = options
  const ownerOf = (request: Request) => recordOf(request).caller.keyId
  const encode = (batch: Batch, request: Request) => format.encode(batch, resultsUrlOf(batch, dialect, request))
  const found = async (id: string, finding: Promise<Batch | undefined>) => {
    const batch = id.startsWith(format.idPrefix) ? await finding : undefined
    if (batch === undefined) throw format.notFound(id)
    return batch
  }

  switch (route.does) {
    case 'create':
      return creation(route, dialect, format, options)
    case 'list':
      return async ({ request, query }: RouteContext) => {
        const { batches, hasMore } = await store.list(ownerOf(request), format.pageOf(query))
        const shown = batches.map((batch) => encode(batch, request))
        return format.encodePage({ batches: shown, ids: batches.map(({ id }) => id), hasMore })
      }
    case 'retrieve':
      return async ({ request, params: { id = '' } }: RouteContext) =>
        encode(await found(id, store.get(ownerOf(request), id)), request)
    case 'cancel':
      return async ({ request, params: { id = '' } }: RouteContext) => {
        const batch = await found(id, store.cancel(ownerOf(request), id))
        runner.wake()
        return encode(batch, request)
      }
    case 'delete':
      return async ({ request, params: { id = '' } }: RouteContext) => {
        const owner = ownerOf(request)
        const batch = await found(id, store.get(owner, id))
        if (batch.endedAt === undefined) throw format.notEnded(id, 'deletion')
        // Another request may have deleted it meanwhile.
        if (!(await store.delete(owner, id))) throw format.notFound(id)
        return format.encodeDeleted(id)
      }
    case 'results':
      return async ({ request, params: { id = '' } }: RouteContext) => {
        const batch = await found(id, store.get(ownerOf(request), id))
        if (batch.endedAt === undefined) throw format.notEnded(id, 'results')
        const headers = { ...requestIdHeaders(recordOf(request)), 'content-type': format.resultsContentType }
        return new Response(resultLines(batch, format, options), { headers })
      }
    default:
      return route.does satisfies never
  }
}

function creation(route: BatchRoute, dialect: Dialect, format: BatchFormat, options: BatchRouteOptions) {
  const { store, runner, newId, recordOf, admitAndReadBody } = options
  const check = bodyCheck(route.body ?? Type.Unknown())
  const admission = { cost: costOf.batch, check, conversationFields: [], mostValues }
  return async ({ request }: RouteContext) => {
    const { body, yieldIfLong } = await admitAndReadBody(request, admission)
    const entries: NewBatchRequest[] = []
    for (const { name, body: asked } of format.entries(body)) {
      const pieces = await jsonInPortions(asked, yieldIfLong)
      rejectLarge(pieces, name)
      entries.push({ name, body: pieces.join('') })
    }
    const made = {
      ...{ id: newId(format.idPrefix), owner: recordOf(request).caller.keyId, dialect: dialect.id },
      ...{ headers: [...request.headers].filter(([name]) => kept.test(name)), entries },
    }
    const batch = await store.create(made, yieldIfLong)
    await yieldIfLong()
    runner.wake()
    return format.encode(batch, resultsUrlOf(batch, dialect, request))
  }
}

/** Writing a request of this size to a database takes about 15 ms, in which no other request is answered. */
const mostBytes = 4_000_000

function rejectLarge(body: readonly string[], name: string): void {
  const bytes = body.reduce((sum, piece) => sum + Buffer.byteLength(piece), 0)
  if (bytes <= mostBytes) return
  throw new GatewayError(
    'too-large',
    `The request ${name} has ${bytes} bytes, and one in a batch has at most ${mostBytes}. Send it by itself.`,
    { code: 'batch_request_too_large' },
  )
}

/** Headers that change what a request asks for, and the name of the client. */
const kept = /^(?:anthropic-|openai-|x-thinking-processing$|user-agent$)/

/** The URL of the results, at the address that the client has used. */
function resultsUrlOf({ id }: Batch, dialect: Dialect, request: Request): string {
  const results = dialect.routes.find((route) => route.serves === 'batch' && route.does === 'results')
  return addressOf(request) + documentedPath(dialect, results?.path.replace(':id', id) ?? '')
}

/** JSON values in the body of a batch: a batch may have 100,000 requests, each with about ten values. */
const mostValues = 2_000_000

const linesAtOnce = 100

/**
 * Reads the results page by page, as fast as the client takes them. If the batch is deleted meanwhile, the stream fails:
 * if it just ended, the client would believe that it had all results.
 */
function resultLines(
  { id, size }: Batch,
  format: BatchFormat,
  { store, clock }: BatchRouteOptions,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  const yieldIfLong = yieldBetweenSteps(clock, Number.POSITIVE_INFINITY)
  let sent = 0
  return new ReadableStream({
    async pull(controller) {
      const pause = yieldIfLong()
      if (pause) await pause
      const page = await store.results(id, sent - 1, linesAtOnce)
      if (page.length === 0 || page.some(({ n }, index) => n !== sent + index)) throw format.notFound(id)
      sent += page.length
      controller.enqueue(encoder.encode(page.map((result) => `${format.resultLine(result)}\n`).join('')))
      if (sent === size) controller.close()
    },
  })
}

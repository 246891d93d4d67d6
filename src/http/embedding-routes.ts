import type { Dialect } from '../core/dialect.ts'
import { costOf, type EmbeddingRoute } from '../core/dialect-route.ts'
import type { EmbeddingReply } from '../core/embedding.ts'
import { agentSessionOf } from '../observe/agent-session.ts'
import { elapsedMs, enterPhase } from '../observe/record.ts'
import { behindBasePaths } from './base-paths.ts'
import { bodyCheck } from './body-validation.ts'
import type { ReplyRouteOptions } from './reply-routes.ts'
import { ignoredHeader, requestIdHeaders } from './response-headers.ts'
import type { Route, RouteContext } from './route.ts'
import { unlessEnded } from './shutdown.ts'
import { unknownFields } from './unknown-fields.ts'
import { wholeResponse } from './whole-response.ts'

/** The routes that serve embeddings. They are admitted, paid for and recorded as replies are. */
export function embeddingRoutes(dialect: Dialect, basePaths: readonly string[], options: ReplyRouteOptions): Route[] {
  return dialect.routes.flatMap((route) => {
    if (route.serves !== 'embeddings') return []
    const { method, path, access, summary } = route
    const admission = { cost: costOf.embeddings, check: bodyCheck(route.body), conversationFields: [] }
    const docs = { tags: [dialect.id], summary }
    const handle = async (context: RouteContext) => {
      const { body } = await options.admitAndReadBody(context.request, admission)
      return await answer(dialect, { ...route, path }, body, context, options)
    }
    return behindBasePaths({ method, path, access, dialect, docs, endsRecord: true, handle }, basePaths)
  })
}

async function answer(
  dialect: Dialect,
  { path, decode, body: schema }: EmbeddingRoute & { path: string },
  body: unknown,
  { request, params, query }: RouteContext,
  options: ReplyRouteOptions,
): Promise<Response> {
  const { gateway, clock, redact, recordOf } = options
  const record = recordOf(request)
  record.dialect = dialect.id
  const { request: wanted, encode } = decode(body, { headers: request.headers, params, query, path })
  const ignored = [...wanted.ignored, ...unknownFields(body, schema)]
  record.requestedModel = redact(wanted.model)
  record.model = wanted.model
  record.stream = false
  Object.assign(record, agentSessionOf(request.headers, redact))
  record.timeline?.end()
  enterPhase(record, 'waiting')

  const upstream = new AbortController()
  const abort = () => upstream.abort()
  // The client may have disconnected already.
  if (request.signal.aborted) abort()
  else request.signal.addEventListener('abort', abort, { once: true })
  const asking = gateway.embed(wanted, {
    signal: upstream.signal,
    caller: record.caller.keyId,
    allowed: record.caller.policy,
    annotate: (note) => record.notes.push(note),
    observer: record.timeline,
    spending: options.spendingOf?.(record),
    onCall: (call) => record.calls.push(call),
    onRoute(model, upstreamId) {
      record.model = model
      record.upstream = upstreamId
      record.onPhase?.(record)
    },
  })
  const reply: EmbeddingReply = await unlessEnded(record, asking, abort)
  // The reply cannot fail any more from here on.
  record.end = () => {}
  record.usage = { inputTokens: reply.inputTokens, outputTokens: 0 }
  record.ignored = ignored
  const head = { model: wanted.model, totalMs: elapsedMs(record, clock) }
  const headers = ignoredHeader(requestIdHeaders(record), ignored)
  return await wholeResponse(request, record, { reply: encode(reply, head), headers }, options)
}

import { type Static, Type } from '@sinclair/typebox'
import type { Batch, BatchEntry, BatchFormat, BatchResult } from '../../core/batch.ts'
import { defaultModel } from '../../core/default-models.ts'
import type { BatchRoute, DialectRoute } from '../../core/dialect-route.ts'
import { GatewayError, invalidField } from '../../core/errors.ts'
import { truncate } from '../../core/truncate.ts'
import { fieldsOf, listOf } from '../openai/json-fields.ts'
import { pageOf, pageParameters } from './page.ts'

/** As many as Anthropic takes. */
const mostRequests = 100_000

const batchBody = Type.Object({
  requests: Type.Array(
    Type.Object({
      custom_id: Type.String({ pattern: '^[a-zA-Z0-9_-]{1,64}$' }),
      // Each is checked like the body of a single request. If it is invalid, the error becomes its result.
      params: Type.Record(Type.String(), Type.Unknown()),
    }),
    { minItems: 1 },
  ),
})

const common = { serves: 'batch', access: 'client' } as const

/** The routes of Anthropic's Message Batches API. */
export const batchRoutes: (DialectRoute & BatchRoute)[] = [
  {
    ...common,
    does: 'create',
    method: 'POST',
    path: '/messages/batches',
    summary: 'Send a batch of requests',
    body: batchBody,
    docs: {
      description: `The batch. Its requests, at most ${mostRequests}, are worked off when nobody else waits for the models, and expire after 24 hours.`,
      example: {
        requests: [
          {
            custom_id: 'first',
            params: { model: defaultModel, max_tokens: 1024, messages: [{ role: 'user', content: 'Hello' }] },
          },
        ],
      },
    },
  },
  {
    ...common,
    does: 'list',
    method: 'GET',
    path: '/messages/batches',
    summary: 'The batches of this key',
    docs: { description: 'One page of them, the newest first.', parameters: pageParameters('Batches') },
  },
  {
    ...common,
    does: 'retrieve',
    method: 'GET',
    path: '/messages/batches/:id',
    summary: 'A batch',
    docs: { description: 'The batch. Its counts and `results_url` are set once it has ended.' },
  },
  {
    ...common,
    does: 'cancel',
    method: 'POST',
    path: '/messages/batches/:id/cancel',
    summary: 'Cancel a batch',
    docs: { description: 'The batch. Requests under way are broken off; what is done stays done.' },
  },
  {
    ...common,
    does: 'results',
    method: 'GET',
    path: '/messages/batches/:id/results',
    summary: 'The results of a batch that has ended',
    docs: { description: 'One line of JSON for each request.' },
  },
  {
    ...common,
    does: 'delete',
    method: 'DELETE',
    path: '/messages/batches/:id',
    summary: 'Delete a batch that has ended',
    docs: { description: 'The batch and its results are deleted.' },
  },
]

export const batches: BatchFormat = {
  idPrefix: 'msgbatch_',
  requestPath: '/messages',
  entries,
  encode,
  encodePage: ({ batches, ids, hasMore }) => ({
    data: batches,
    has_more: hasMore,
    first_id: ids[0] ?? null,
    last_id: ids.at(-1) ?? null,
  }),
  encodeDeleted: (id) => ({ id, type: 'message_batch_deleted' }),
  pageOf,
  resultLine,
  resultsContentType: 'application/x-jsonl',
  notFound: (id) =>
    new GatewayError('not-found', `There is no batch '${truncate(id)}' of this key.`, { code: 'batch_not_found' }),
  notEnded: (id, wanted) =>
    new GatewayError(
      'invalid-request',
      wanted === 'results'
        ? `The batch '${truncate(id)}' has not ended: its results are there when processing_status is "ended".`
        : `The batch '${truncate(id)}' has not ended: cancel it before it is deleted.`,
      { code: 'batch_not_ended' },
    ),
}

/** Yields one request at a time, because reading all of them at once would hold up other requests for too long. */
function* entries(body: unknown): Generator<BatchEntry> {
  const { requests } = body as Static<typeof batchBody>
  if (requests.length > mostRequests)
    throw invalidField('requests', `expected at most ${mostRequests} entries, got ${requests.length}.`, {
      code: 'too_many_requests_in_batch',
    })
  const seen = new Map<string, number>()
  for (const [index, { custom_id: name, params }] of requests.entries()) {
    const earlier = seen.get(name)
    if (earlier !== undefined)
      throw invalidField(`requests.${index}.custom_id`, `is that of requests.${earlier}, and has to be unique.`)
    seen.set(name, index)
    rejectCredentials(params, `requests.${index}.params`)
    yield { name, body: { ...params, stream: false } }
  }
}

/** Rejects credentials, because the requests of a batch are stored until their turn. Errors: `invalid-request`. */
function rejectCredentials({ mcp_servers: servers }: Record<string, unknown>, path: string): void {
  for (const [index, server] of listOf(servers).map(fieldsOf).entries()) {
    const member = server.authorization_token ? 'authorization_token' : mayHoldKey(server.url) ? 'url' : undefined
    if (member === undefined) continue
    const what = member === 'url' ? 'users and queries of addresses may be credentials: ' : ''
    throw invalidField(
      `${path}.mcp_servers.${index}.${member}`,
      `${what}a batch is stored, and credentials are not. Send this request by itself.`,
    )
  }
}

/** Whether an address names a user or has a query, in which some servers expect a key. */
function mayHoldKey(address: unknown): boolean {
  if (typeof address !== 'string' || !URL.canParse(address)) return false
  const { username, password, search } = new URL(address)
  return username + password + search !== ''
}

function encode({ id, createdAt, expiresAt, cancelledAt, endedAt, size, counts }: Batch, resultsUrl: string): object {
  const isOver = endedAt !== undefined
  return {
    id,
    type: 'message_batch',
    processing_status: isOver ? 'ended' : cancelledAt === undefined ? 'in_progress' : 'canceling',
    request_counts: { processing: isOver ? 0 : size, ...counts },
    created_at: dateOf(createdAt),
    expires_at: dateOf(expiresAt),
    cancel_initiated_at: dateOf(cancelledAt),
    ended_at: dateOf(endedAt),
    archived_at: null,
    results_url: isOver ? resultsUrl : null,
  }
}

function dateOf(at: number | undefined): string | null {
  return at === undefined ? null : new Date(at).toISOString()
}

/** The response is JSON already. */
function resultLine({ name, outcome, response }: BatchResult): string {
  const member = outcome === 'succeeded' ? 'message' : 'error'
  const result = response === undefined ? `{"type":"${outcome}"}` : `{"type":"${outcome}","${member}":${response}}`
  return `{"custom_id":${JSON.stringify(name)},"result":${result}}`
}

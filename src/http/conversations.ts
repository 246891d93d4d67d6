import type { Clock } from '../core/clock.ts'
import type { Dialect } from '../core/dialect.ts'
import {
  type ConversationAnswer,
  type ConversationRequest,
  type ConversationRoute,
  costOf,
} from '../core/dialect-route.ts'
import { GatewayError } from '../core/errors.ts'
import { isRecord } from '../core/json.ts'
import { isLargerThan, mostStoredBytes, type StoredResponse } from '../core/stored-conversation.ts'
import type { RequestRecord } from '../observe/record.ts'
import type { ResponseStore } from '../store/responses.ts'
import { behindBasePaths } from './base-paths.ts'
import { bodyCheck } from './body-validation.ts'
import type { AdmitAndReadBody } from './reply-routes.ts'
import type { Route, RouteContext } from './route.ts'

export interface ConversationRouteOptions {
  store: ResponseStore
  clock: Clock
  newId: (prefix: string) => string
  recordOf: (request: Request) => RequestRecord
  admitAndReadBody: AdmitAndReadBody
}

/** The routes for conversations that are kept for a caller, in the format of their dialect. */
export function conversationRoutes(
  dialect: Dialect,
  basePaths: readonly string[],
  options: ConversationRouteOptions,
): Route[] {
  const { store, clock, newId, recordOf } = options
  const conversations = dialect.storedConversation?.conversations
  if (!conversations) return []
  return dialect.routes.flatMap((route) => {
    if (route.serves !== 'conversation') return []
    const { method, path, access, summary, docs: described, deletes } = route
    const readBody = bodyReader(route, dialect, options)
    const handle = async (context: RouteContext) => {
      const { params, query, request } = context
      const asked: ConversationRequest = { params, query, newId, body: await readBody(context) }
      const owner = recordOf(request).caller.keyId
      const { id } = params
      if (id === undefined) {
        const begun = route.answer(conversations.begin(newId, Math.floor(clock.now() / 1000)), asked)
        rejectLarge(begun, asked)
        if (begun.changed) await store.put(owner, begun.changed)
        return begun.answer
      }
      if (!id.startsWith(conversations.idPrefix)) throw conversations.notFound(id)
      let answered: ConversationAnswer | undefined
      const answer = (conversation: StoredResponse) => {
        answered = route.answer(conversation, asked)
        rejectLarge(answered, asked)
        return answered.changed ?? conversation
      }
      if (method === 'GET') {
        const found = await store.get(owner, id)
        if (found) answer(found)
      } else await store.change(owner, id, answer)
      if (!answered || (deletes && !(await store.delete(owner, id)))) throw conversations.notFound(id)
      return answered.answer
    }
    const docs = { tags: [dialect.id], summary, description: described.description }
    return behindBasePaths({ method, path, access, dialect, docs, handle }, basePaths)
  })
}

const mostItems = 20_000

/** Errors: `too-large` for a conversation that would hold up other requests whenever it is used. */
function rejectLarge({ changed }: ConversationAnswer, { body }: ConversationRequest): void {
  if (!changed || body === undefined) return
  const isCrowded = changed.input.length > mostItems
  if (!isCrowded && !isLargerThan(mostStoredBytes, changed)) return
  const param = isRecord(body) && 'items' in body ? 'items' : 'metadata'
  throw new GatewayError(
    'too-large',
    `${param}: a conversation has at most ${mostItems} items and ${mostStoredBytes} bytes. Begin another one, or remove items.`,
    { code: 'conversation_too_large', param },
  )
}

function bodyReader(route: ConversationRoute, dialect: Dialect, { admitAndReadBody }: ConversationRouteOptions) {
  const { body: schema } = route
  if (schema === undefined) return async () => undefined
  const { conversationFields } = dialect
  const admission = { cost: costOf.conversation, check: bodyCheck(schema), conversationFields }
  return async ({ request }: RouteContext) => (await admitAndReadBody(request, admission)).body
}

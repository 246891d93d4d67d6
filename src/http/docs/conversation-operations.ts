import type { Dialect } from '../../core/dialect.ts'
import type { ConversationRoute } from '../../core/dialect-route.ts'
import type { StoredResponse } from '../../core/stored-conversation.ts'
import { documentedPath } from '../base-paths.ts'
import { openapiPath } from '../path-pattern.ts'
import { answerOf, failureOf } from './answer-of.ts'
import { errorResponses, failures } from './error-responses.ts'
import { jsonResponse } from './json-response.ts'
import { inQuery, pathParameters } from './parameters.ts'
import { sampleId } from './sample.ts'

/** The operations on the conversations that a dialect keeps; empty if it keeps none. */
export function conversationOperations(dialect: Dialect): Record<string, object> {
  const conversations = dialect.storedConversation?.conversations
  if (!conversations) return {}
  const newId = (prefix: string) => prefix + sampleId
  const begun = conversations.begin(newId, Date.parse('2026-01-01T00:00:00Z') / 1000)
  const conversation = { ...begun, input: [{ id: `msg_${sampleId}`, type: 'message', role: 'user', content: [] }] }
  const params = { id: begun.id, item: `msg_${sampleId}` }
  const operations = dialect.routes.flatMap((route) => {
    if (route.serves !== 'conversation') return []
    const { method, path, docs, body: schema } = route
    const { example, refusals } = sampleAnswer(route, conversation, params, newId)
    const ofPath = path.includes(':') ? failureOf(conversations.notFound(begun.id)) : []
    const operation = {
      parameters: [...pathParameters(path, params), ...inQuery(docs.parameters)],
      ...(schema
        ? { requestBody: { required: true, content: { 'application/json': { schema, example: bodyOf(docs) } } } }
        : {}),
      responses: {
        ...(example ? { 200: jsonResponse(docs.description, example) } : {}),
        ...errorResponses([dialect], [...refusals, failures.unauthorized, ...ofPath]),
      },
    }
    return [[`${method} ${openapiPath(documentedPath(dialect, path))}`, operation] as const]
  })
  return Object.fromEntries(operations)
}

function sampleAnswer(
  route: ConversationRoute,
  conversation: StoredResponse,
  params: Record<string, string>,
  newId: (prefix: string) => string,
) {
  return answerOf(() => route.answer(conversation, { params, query: {}, body: bodyOf(route.docs), newId }).answer)
}

function bodyOf({ example = {} }: ConversationRoute['docs']): object {
  return example
}

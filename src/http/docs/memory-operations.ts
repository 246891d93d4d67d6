import type { Dialect } from '../../core/dialect.ts'
import { schemaRef } from './dialect-operation.ts'
import { type ExampleFailure, errorResponses, failures } from './error-responses.ts'
import { jsonResponse } from './json-response.ts'
import { sampleOf, sampleReply } from './sample.ts'

const unknownId: ExampleFailure = [
  'not-found',
  'Responses are stored unless `store` is false, and not for ever.',
  { code: 'response_not_found', param: 'response_id' },
]
const overAlready: ExampleFailure = ['invalid-request', 'Cannot cancel a synchronous response: this one is over.']

const text = { type: 'string' }
const paging = [
  { name: 'limit', description: '1 to 100, 20 unless told', schema: { type: 'integer', minimum: 1, maximum: 100 } },
  { name: 'order', description: 'Newest first unless `asc`', schema: { ...text, enum: ['asc', 'desc'] } },
  { name: 'after', description: 'Items behind this one', schema: text },
].map((parameter) => ({ ...parameter, in: 'query' }))

/** What can be done with the replies a dialect remembers; nothing where it remembers none. */
export function memoryOperations(dialect: Dialect): Record<string, object> {
  const { options, head } = sampleOf(dialect)
  const kept = dialect.storedConversation?.save(head, sampleReply, options)
  if (!kept) return {}
  const id = { name: 'id', in: 'path', required: true, schema: text, example: kept.id }
  const parameters = [id]
  const errors = errorResponses([dialect], [failures.unauthorized, unknownId])
  const path = `/v1${dialect.path}/{id}`
  return {
    [`GET ${path}`]: {
      parameters,
      responses: { 200: jsonResponse('The whole reply.', kept.reply, schemaRef(dialect, 'reply')), ...errors },
    },
    [`DELETE ${path}`]: {
      parameters,
      responses: {
        200: jsonResponse('It is forgotten.', { id: kept.id, object: 'response', deleted: true }),
        ...errors,
      },
    },
    [`GET ${path}/input_items`]: {
      parameters: [id, ...paging],
      responses: {
        200: jsonResponse('One page of it.', {
          object: 'list',
          data: kept.input,
          first_id: kept.input[0]?.id,
          last_id: kept.input.at(-1)?.id,
          has_more: false,
        }),
        ...errors,
      },
    },
    [`POST ${path}/cancel`]: {
      parameters,
      responses: errorResponses([dialect], [overAlready, failures.unauthorized, unknownId]),
    },
  }
}

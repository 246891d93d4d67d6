import type { Dialect } from '../../core/dialect.ts'
import { runTransform } from '../../core/transform.ts'
import { reasoningModes } from '../../gateway/reasoning-placement.ts'
import { documentedPath } from '../base-paths.ts'
import { openapiPath } from '../path-pattern.ts'
import { errorResponses, errorSchema } from './error-responses.ts'
import { inQuery, pathParameters } from './parameters.ts'
import { sampleEvents, sampleOf, sampleReplies, sampleReply } from './sample.ts'
import { shapeOf } from './shape.ts'

const text = { type: 'string' }

const parameters = [
  {
    name: 'x-thinking-processing',
    in: 'header',
    description:
      'Where the thinking goes: its own field, tags in the text, nowhere, or as chat.z.ai writes it. Unless told: the THINKING_PROCESSING of the gateway.',
    schema: { ...text, enum: reasoningModes },
  },
]

const headers = {
  'x-request-id': { description: 'Finds the request in the log.', schema: text },
  'x-zai2api-upstream': {
    description: 'Who answered; absent where the headers left before that was certain.',
    schema: text,
  },
  'x-zai2api-ignored': { description: 'Fields of the request that could not be honoured.', schema: text },
}

/** The operations of a dialect: their requests and responses. */
export function dialectOperation(dialect: Dialect): Record<string, object> {
  const usual = dialect.routes.find(({ serves }) => serves === 'reply')
  const operations = dialect.routes.flatMap((route) => {
    if (route.serves !== 'reply') return []
    const { method, path, query } = route
    const { question, params, options, head, ways } = sampleOf(dialect, route)
    const example = dialect.encodeReply(head, sampleReply, options)
    const whole = {
      'application/json': { schema: route === usual ? schemaRef(dialect, 'reply') : shapeOf(example), example },
    }
    const streamed = {
      [mediaType(dialect.stream.contentType)]: {
        schema: text,
        example: runTransform(dialect.encoder(head, options), sampleEvents).join(''),
      },
    }
    const operation = {
      parameters: [...pathParameters(path, params), ...inQuery(query), ...parameters],
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: schemaRef(dialect, 'request'),
            examples: {
              ...(ways.whole ? { whole: { summary: 'The whole reply at once', value: question } } : {}),
              // Without a choice, the path decides whether the reply is streamed.
              ...(ways.streamed
                ? {
                    streamed: {
                      summary: 'The reply as a stream',
                      value: ways.whole ? { ...question, stream: true } : question,
                    },
                  }
                : {}),
            },
          },
        },
      },
      responses: {
        200: {
          description:
            ways.whole && ways.streamed
              ? `The reply: whole, or with \`stream\` as ${streamName(dialect)}.`
              : 'The reply.',
          headers,
          content: { ...(ways.whole ? whole : {}), ...(ways.streamed ? streamed : {}) },
        },
        ...errorResponses([dialect]),
      },
    }
    return [[`${method} ${openapiPath(documentedPath(dialect, path))}`, operation] as const]
  })
  return Object.fromEntries(operations)
}

function streamName({ stream }: Dialect): string {
  return mediaType(stream.contentType) === 'text/event-stream' ? 'server-sent events' : 'lines of JSON'
}

/** A media type without its parameters. */
function mediaType(contentType: string): string {
  return contentType.split(';', 1)[0] ?? contentType
}

/** The schemas that the operations of a dialect refer to, by name. */
export function schemasOf(dialect: Dialect): Record<string, object> {
  const { options, head } = sampleOf(dialect)
  const talkative = { ...head, reasoningByName: true }
  return {
    [`${dialect.id}.request`]: dialect.body,
    [`${dialect.id}.reply`]: shapeOf(...sampleReplies.map((reply) => dialect.encodeReply(talkative, reply, options))),
    [`${dialect.id}.error`]: errorSchema(dialect),
  }
}

export function schemaRef({ id }: Dialect, part: 'request' | 'reply' | 'error'): object {
  return { $ref: `#/components/schemas/${id}.${part}` }
}

import type { DialectRoute, StoredRoute } from '../../core/dialect-route.ts'
import { GatewayError, invalidField } from '../../core/errors.ts'
import { truncate } from '../../core/truncate.ts'
import { pageOf, pageParameters } from './page.ts'
import { isUnfinished } from './response-status.ts'

const common = { serves: 'stored', access: 'client' } as const

/** The routes of OpenAI's Responses API for a stored response: read it, list its input, delete it. */
export const storedRoutes: (DialectRoute & StoredRoute)[] = [
  {
    ...common,
    method: 'GET',
    path: '/responses/:id',
    summary: 'A stored response',
    eventsAfter: ({ stream, starting_after }) => (stream === 'true' ? numberOfEvent(starting_after) : undefined),
    answer({ reply }, query) {
      if (query.stream !== 'true') return reply
      if (!isUnfinished(reply))
        throw invalidField('stream', 'the events of this response are gone; ask for it without `stream`.')
      throw invalidField(
        'stream',
        'another gateway writes this response, and its events cannot be had from there now. Poll it without `stream`, or ask again on the gateway that you began it on.',
        { status: 409, code: 'response_written_elsewhere' },
      )
    },
    docs: {
      description: 'The reply; of one in the background, as far as it is written.',
      parameters: [
        {
          name: 'stream',
          description: 'Of a response in the background: its events, while it is written and for some time after',
          schema: { type: 'boolean' },
        },
        {
          name: 'starting_after',
          description: 'With `stream`: the events behind the one of this number',
          schema: { type: 'integer', minimum: 0 },
        },
      ],
    },
  },
  {
    ...common,
    method: 'DELETE',
    path: '/responses/:id',
    summary: 'Forget a stored response',
    deletes: true,
    answer: ({ id }) => ({ id, object: 'response', deleted: true }),
    docs: { description: 'It is forgotten.' },
  },
  {
    ...common,
    method: 'GET',
    path: '/responses/:id/input_items',
    summary: 'The conversation a stored response answered',
    answer: ({ input }, query) => pageOf(input, query),
    docs: {
      description: 'One page of it.',
      parameters: pageParameters,
    },
  },
  {
    ...common,
    method: 'POST',
    path: '/responses/:id/cancel',
    summary: 'End a response that is written in the background',
    cancels: true,
    answer({ reply }) {
      if (reply.background === true) return reply
      throw new GatewayError('invalid-request', 'Cannot cancel a synchronous response: this one is over.')
    },
    docs: { description: 'What there is of it; one that was over stays as it was.' },
  },
]

function numberOfEvent(text: string | undefined): number {
  if (text === undefined) return -1
  const number = Number(text)
  if (!Number.isInteger(number) || number < 0) throw invalidField('starting_after', 'expected the number of an event')
  return number
}

export function notFound(id: string): GatewayError {
  return new GatewayError(
    'not-found',
    `Response with id '${truncate(id)}' not found. Responses are stored unless \`store\` is false, and not for ever.`,
    { code: 'response_not_found', param: 'response_id' },
  )
}

import { Type } from '@sinclair/typebox'
import type { Caller } from '../../core/caller.ts'
import { GatewayError } from '../../core/errors.ts'
import { truncate } from '../../core/truncate.ts'
import type { Route } from '../../http/route.ts'
import { bodyNames } from '../../observe/capture.ts'
import type { RequestRecord } from '../../observe/record.ts'
import { redactText } from '../../observe/redaction.ts'
import { bodyNamed } from '../captured-bodies.ts'
import type { OperatorContext } from '../operator-context.ts'
import { replayOf } from '../replay.ts'
import { requestDetails, requestNotFound } from '../request-details.ts'
import { requestHtml } from '../request-html.ts'
import { adminRoute } from '../route.ts'
import { CapturedBody, Replay, RequestDetail } from '../schema/requests.ts'

/** How a route sends a request to its own gateway. */
export interface InternalRequests {
  /** Sends a request with the rights of `caller`, and resolves with its record as soon as there is one. */
  send: (request: Request, as: { caller: Caller; note: string }) => Promise<RequestRecord>
  callerOf: (request: Request) => Caller
}

/** `/admin/api/requests/:id`: one request, its messages, its replay and its export. */
export function requestDetailRoutes(operator: OperatorContext, internal: InternalRequests): Route[] {
  const { capture, live, findSecrets } = operator
  const detail = requestDetails(operator)
  return [
    adminRoute(
      {
        method: 'GET',
        path: '/requests/:id',
        summary: 'All that is known of one request',
        answer: RequestDetail,
        handle: ({ params: { id = '' } }) => detail(id),
      },
      operator,
    ),
    adminRoute(
      {
        method: 'GET',
        path: '/requests/:id/bodies/:name',
        summary: 'One body of a request, with its headers, without secrets',
        description: `\`name\` is one of ${bodyNames.join(', ')}. With several attempts, it is the body of the last one, or of \`attempt\`.`,
        query: Type.Object({ attempt: Type.Optional(Type.Integer({ minimum: 1 })) }),
        answer: CapturedBody,
        async handle({ params: { id = '', name: asked = '' }, query: { attempt } }) {
          const name = bodyNames.find((one) => one === asked)
          if (name === undefined)
            throw requestNotFound(`There is no body ${truncate(asked)}: it is one of ${bodyNames.join(', ')}.`)
          const captured = await capture.read(id)
          if (typeof captured === 'string') throw notCaptured(captured)
          const found = bodyNamed(captured, name, attempt)
          if (!found) throw notCaptured('The request did not get as far as this body, or it has not been kept.')
          const { name: _name, attempt: _attempt, ...shown } = found
          return shown
        },
      },
      operator,
    ),
    adminRoute(
      {
        method: 'POST',
        path: '/requests/:id/replay',
        summary: 'Send the request again',
        description: 'To the same or to another model or upstream, as a request of the operator.',
        body: Replay,
        answer: Type.Object({ id: Type.String() }),
        async handle({ request, params: { id = '' }, body }) {
          const original = await capture.original(id)
          if (!original) throw await notReplayable(id)
          const again = replayOf(original.head, original.body, body)
          const record = await internal.send(again, { caller: internal.callerOf(request), note: `replay of ${id}` })
          if (request.signal.aborted) record.end?.(endedByOperator())
          return { id: record.id }
        },
      },
      operator,
    ),
    adminRoute(
      {
        method: 'POST',
        path: '/requests/:id/cancel',
        summary: 'End a request under way, such as a replay',
        description: 'Its client gets an error, as a status or behind what was sent. What was spent is counted.',
        handle({ params: { id = '' } }) {
          const record = live.running().find((one) => one.id === id)
          if (!record) throw requestNotFound(`No request ${truncate(id)} is under way.`)
          record.end?.(endedByOperator())
          return undefined
        },
      },
      operator,
    ),
    adminRoute(
      {
        method: 'GET',
        path: '/requests/:id/export',
        summary: 'The request as one page that opens anywhere, without secrets',
        contentType: 'text/html',
        answer: Type.String(),
        async handle({ params: { id = '' } }) {
          const captured = await capture.read(id)
          const page = redactText(requestHtml(await detail(id), captured), findSecrets)
          return new Response(page, {
            headers: {
              'content-type': 'text/html; charset=utf-8',
              'content-disposition': `attachment; filename="${id.replace(/[^\w-]/g, '')}.html"`,
            },
          })
        },
      },
      operator,
    ),
  ]

  async function notReplayable(id: string): Promise<GatewayError> {
    const captured = await capture.read(id)
    const reason =
      typeof captured === 'string' ? captured : 'What the client sent was too long to be kept whole: raise CAPTURE_MB.'
    return new GatewayError('invalid-request', reason, { status: 409, code: 'not_captured' })
  }
}

/** Clients must not ask again by themselves. */
function endedByOperator(): GatewayError {
  return new GatewayError('forbidden', 'Whoever runs this gateway has ended this request.', {
    code: 'ended_by_operator',
  })
}

function notCaptured(reason: string): GatewayError {
  return new GatewayError('not-found', reason, { code: 'not_captured' })
}

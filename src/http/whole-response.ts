import { jsonBytesInPortions } from '../async/json-in-portions.ts'
import type { Clock } from '../core/clock.ts'
import { yieldBetweenSteps } from '../core/yield-between-steps.ts'
import type { RequestRecord } from '../observe/record.ts'

export interface WholeResponseOptions {
  clock: Clock
  connection: { setIdleTimeout(request: Request): void }
  done: (record: RequestRecord) => void
}

export interface WholeReply {
  reply: object
  headers: Record<string, string>
  /** It has long texts: other requests can run while its JSON is written. */
  isLong?: boolean
}

/** Sends a whole reply as JSON, and closes the record of its request. */
export async function wholeResponse(
  request: Request,
  record: RequestRecord,
  { reply, headers, isLong = false }: WholeReply,
  options: WholeResponseOptions,
): Promise<Response> {
  const response = isLong ? await longJson(reply, headers, options.clock) : Response.json(reply, { headers })
  return await completeResponse(request, record, response, options)
}

/** The same as `Response.json`. */
async function longJson(reply: object, headers: Record<string, string>, clock: Clock): Promise<Response> {
  const yieldIfLong = yieldBetweenSteps(clock, Number.POSITIVE_INFINITY)
  const bytes = await jsonBytesInPortions(reply, yieldIfLong)
  await yieldIfLong('long step next')
  return new Response(bytes, { headers: { 'content-type': 'application/json;charset=utf-8', ...headers } })
}

/** Sends a response that is complete, and closes the record of its request. */
export async function completeResponse(
  request: Request,
  record: RequestRecord,
  response: Response,
  { clock, connection, done }: WholeResponseOptions,
): Promise<Response> {
  record.status = response.status
  if (record.capture) {
    record.capture.replyHead({ status: response.status, headers: [...response.headers] })
    record.capture.written(await response.clone().text(), clock.monotonic())
  }
  done(record)
  connection.setIdleTimeout(request)
  return response
}

import type { Clock } from '../core/clock.ts'
import type { RequestRecord } from '../observe/record.ts'

export interface WholeResponseOptions {
  clock: Clock
  connection: { setIdleTimeout(request: Request): void }
  done: (record: RequestRecord) => void
}

/** Sends a whole reply as JSON, and closes the record of its request. */
export async function wholeResponse(
  request: Request,
  record: RequestRecord,
  { reply, headers }: { reply: object; headers: Record<string, string> },
  options: WholeResponseOptions,
): Promise<Response> {
  return await completeResponse(request, record, Response.json(reply, { headers }), options)
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

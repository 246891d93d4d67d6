import type { Dialect } from '../core/dialect.ts'
import { errorHeaders, type GatewayError } from '../core/errors.ts'
import { leavesBodyUnread } from '../http/body.ts'
import { requestIdHeaders } from '../http/response-headers.ts'
import type { RequestRecord } from '../observe/record.ts'

/** The response for a refused or failed request. It is noted in the record, and captured as written `at` this time. */
export function errorResponse(
  error: GatewayError,
  record: RequestRecord,
  { encodeError, at }: { encodeError: Dialect['encodeError']; at: number },
): Response {
  const { status, body } = encodeError(error, record.id)
  const headers = {
    ...requestIdHeaders(record),
    ...errorHeaders(error),
    ...(endsConnection(error) ? { connection: 'close' } : {}),
  }
  record.error = error
  record.status = status
  record.capture?.replyHead({ status, headers: Object.entries(headers) })
  record.capture?.written(JSON.stringify(body), at)
  return Response.json(body, { status, headers })
}

/** When file descriptors run out, idle connections hold descriptors that other requests need. */
function endsConnection(error: GatewayError): boolean {
  return leavesBodyUnread(error) || error.code === 'out_of_file_descriptors'
}

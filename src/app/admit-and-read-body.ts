import { readJson } from '../http/body.ts'
import { createPreviousBodies } from '../http/previous-bodies.ts'
import type { AdmitAndReadBody, ServerConnection } from '../http/reply-routes.ts'
import { unlessEnded } from '../http/shutdown.ts'
import type { RequestRecord } from '../observe/record.ts'
import type { AppOptions } from './options.ts'

/** The longest timeout that Bun accepts. */
const longestIdleSeconds = 255

export interface AdmissionParts {
  recordOf: (request: Request) => RequestRecord
  connection: ServerConnection
  setIdleSeconds: (request: Request, seconds: number) => void
}

/** Charges a request to its caller, and reads and checks its body. */
export function admitAndReadBody(
  { limits, settings, clock }: AppOptions,
  { recordOf, connection, setIdleSeconds }: AdmissionParts,
): AdmitAndReadBody {
  const previousBodies = createPreviousBodies(clock)
  return async (request, { cost, check, conversationFields, mostValues }) => {
    const record = recordOf(request)
    // Bun would end a long upload even while data arrives, and reasoning models are silent for longer than any idle
    // timeout, so the gateway has deadlines of its own for both.
    setIdleSeconds(request, cost === 'allowance' ? 0 : longestIdleSeconds)
    limits.acquire(record)
    if (cost === 'allowance') await limits.charge(record)
    else limits.occupy(record)
    const { maxBodyBytes: maxBytes, bodyTimeoutMs: timeoutMs } = settings
    const reading = readJson(request, {
      ...{ maxBytes, timeoutMs, clock, mostValues },
      previous: previousBodies.of(record.caller.keyId),
      onBody: record.capture?.requestBody,
    })
    record.isArriving = true
    const { body, yieldIfLong, keep } = await unlessEnded(record, reading)
    record.isArriving = false
    limits.countEntries(body, conversationFields)
    check(body)
    keep?.()
    const pause = yieldIfLong()
    if (pause) await pause
    // The handlers of replies set it when the reply is over.
    if (cost !== 'allowance') connection.setIdleTimeout(request)
    return { body, yieldIfLong }
  }
}

import type { InternalRequest } from '../http/internal-requests.ts'
import type { RequestRecord } from '../observe/record.ts'

/** Requests that the gateway itself makes. They have no connection. */
export interface OwnRequests {
  /** What is known of a request if the gateway made it. */
  of(request: Request): InternalRequest | undefined
  send(request: Request, internal: InternalRequest): Promise<Response>
  /** Sends a request and resolves with its record. The reply is read to its end, although no client waits for it. */
  run(request: Request, internal: Omit<InternalRequest, 'begun'>): Promise<RequestRecord>
}

export function createOwnRequests(handle: (request: Request) => Promise<Response>): OwnRequests {
  const known = new WeakMap<Request, InternalRequest>()

  return {
    of: (request) => known.get(request),
    send,
    run(request, internal) {
      const { promise, resolve, reject } = Promise.withResolvers<RequestRecord>()
      readToEnd(send(request, { ...internal, begun: resolve })).catch(reject)
      return promise
    },
  }

  function send(request: Request, internal: InternalRequest): Promise<Response> {
    known.set(request, internal)
    return handle(request)
  }
}

async function readToEnd(answering: Promise<Response>): Promise<void> {
  const { body } = await answering
  for await (const _chunk of body ?? []) {
    // No client waits for it; its bodies are captured on their way.
  }
}

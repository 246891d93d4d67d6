import { cancelled, GatewayError } from '../core/errors.ts'
import type { Lookup } from '../http-client/dns.ts'
import { addressesOf, fetchPinned } from '../http-client/public-address.ts'
import { byteStreamOf, type Fetch, type HttpResponse, readBytes } from '../http-client/send.ts'
import { userAgent } from '../http-client/user-agent.ts'
import { messageGuard } from './message-guard.ts'
import type { Admission } from './server-rules.ts'

export interface GuardedFetchOptions {
  fetch: Fetch
  lookup: Lookup
  /** Called for every request, also after a redirect. */
  admissionOf: (url: URL) => Admission | undefined
  /** The client's headers for the server. */
  headers: Readonly<Record<string, string>>
  /** Largest response body, after decompression. */
  maxBytes: number
  onSent: (requestBody: string) => void
  /**
   * Called when the body of a response has ended. `isResumable`: its events have ids, so the rest can be requested.
   * `refused` says why the body was refused, if it was.
   */
  onEnd: (requestBody: string, isResumable: boolean, refused?: string) => void
}

/** A refusal. The client gets the message, because it chose the address. */
export function refusal(message: string): GatewayError {
  return new GatewayError('invalid-request', message, { code: 'mcp_server_refused' })
}

const addressWords = {
  unknown: 'its host could not be found.',
  none: 'its host has no address.',
  private:
    'its host is not on the public internet. The operator of this gateway can name the host itself in MCP_SERVERS.',
}

/**
 * A `fetch` for the MCP SDK that connects only to servers that the operator allows. It connects to the same address
 * that it has checked. Redirects are returned to the SDK, which follows those within the origin through this function.
 * Connections are not reused, because they belong to one client.
 *
 * Errors: `refusal`; `cancelled`; any other error means that the connection failed, and does not contain the address.
 */
export function guardedFetch(options: GuardedFetchOptions) {
  const { fetch, lookup, admissionOf, headers, maxBytes, onSent, onEnd } = options
  return async (input: string | URL, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(input)
    const admission = admissionOf(url)
    if (admission === undefined) throw refusal('it is at an address that MCP_SERVERS of this gateway does not allow.')
    const signal = init.signal ?? new AbortController().signal
    const addresses = await addressesOf(url, { lookup, signal, mayBePrivate: admission === 'listed' })
    if (!Array.isArray(addresses)) throw refusal(addressWords[addresses.refused])
    const body = typeof init.body === 'string' ? init.body : undefined
    const sent = {
      method: init.method ?? 'GET',
      headers: {
        ...allowedHeaders(headers),
        ...Object.fromEntries(new Headers(init.headers)),
        'user-agent': userAgent,
      },
      redirect: 'manual',
      keepalive: false,
      signal,
      ...(body === undefined ? {} : { body }),
    } as const
    onSent(body ?? '')
    const response = await fetchPinned(url, addresses, sent, fetch).catch(() => {
      // The cause is left out, because Bun stores the whole URL in it, and a client's URL may hold secrets.
      throw signal.aborted ? cancelled() : new GatewayError('upstream-unavailable', 'the connection to it failed.')
    })
    // The same rule as in the SDK: the answer to a GET is a stream, whatever its media type is.
    const isEventStream =
      sent.method === 'GET' || !/^\s*application\/json/i.test(response.headers.get('content-type') ?? '')
    return limited(response, { maxBytes, isEventStream }, (...end) => onEnd(body ?? '', ...end))
  }
}

/** Headers that the client cannot set, because they belong to the connection. */
const ownHeaders =
  /^(?:host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect|content-(?:length|type|encoding)|accept(?:-encoding)?|mcp-session-id|mcp-protocol-version|last-event-id)$/i

function allowedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (ownHeaders.test(name) ? [] : [[name.toLowerCase(), value]])),
  )
}

const messageLimits = { levels: 1_000, values: 50_000, messages: 5_000 }
/**
 * The most that is passed to the SDK in one turn of the event loop, in costs of the guard, and the bytes between two
 * checks of the cost.
 */
const mostAtOnce = 25_000
const portionBytes = 1_024

const withoutBody = [204, 205, 304]

function limited(
  response: HttpResponse,
  { maxBytes, isEventStream }: { maxBytes: number; isEventStream: boolean },
  onEnd: (isResumable: boolean, refused?: string) => void,
): Response {
  const { status, headers } = response
  const kept = [...(headers.entries?.() ?? [])].filter(([name]) => !/^content-(?:length|encoding)$/i.test(name))
  if (response.body === null || withoutBody.includes(status)) return new Response(null, { status, headers: kept })
  const stream = byteStreamOf(response.body)
  const guard = messageGuard(messageLimits, isEventStream)
  // Bytes that have arrived and are passed on in the next turn.
  let waiting: Uint8Array | undefined
  // The guard's cost at the beginning of this turn.
  let before = 0
  let size = 0
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (guard.cost() - before >= mostAtOnce) {
        await new Promise((resolve) => setImmediate(resolve))
        before = guard.cost()
      }
      const bytes = waiting ?? (await readBytes(stream).catch(() => null))
      if (bytes === undefined || bytes === null) {
        onEnd(guard.isNumbered())
        if (bytes === null) controller.error(new GatewayError('upstream-truncated', 'it closed the connection.'))
        else controller.close()
        return
      }
      const { passed, refused } = nextPortion(bytes)
      size += passed.length
      const tooMuch = size > maxBytes ? `more than ${Math.round(maxBytes / 1024 / 1024)} MiB` : refused
      if (tooMuch !== undefined) {
        const words = `it sent ${tooMuch}.`
        stream.cancel()
        onEnd(false, words)
        controller.error(refusal(words))
        return
      }
      waiting = passed.length < bytes.length ? bytes.subarray(passed.length) : undefined
      controller.enqueue(passed)
    },
    cancel: () => stream.cancel(),
  })
  return new Response(body, { status, headers: kept })

  /** The bytes that the SDK can read in this turn, and why they are refused, if they are. */
  function nextPortion(bytes: Uint8Array): { passed: Uint8Array; refused: string | undefined } {
    let end = 0
    let refused: string | undefined
    while (end < bytes.length && refused === undefined && guard.cost() - before < mostAtOnce) {
      refused = guard.read(bytes.subarray(end, end + portionBytes))
      end = Math.min(bytes.length, end + portionBytes)
    }
    return { passed: bytes.subarray(0, end), refused }
  }
}

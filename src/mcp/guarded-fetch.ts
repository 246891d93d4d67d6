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
  /** Asked for every request, also behind a redirect. */
  admissionOf: (url: URL) => Admission | undefined
  /** The client's headers for the server. */
  headers: Readonly<Record<string, string>>
  /** Largest response body, after decompression. */
  maxBytes: number
  onSent: (requestBody: string) => void
  /**
   * The body of a response has ended. `isResumable`: the server has numbered its events, and can be asked for the rest.
   * `refused` says what was wrong with it.
   */
  onEnd: (requestBody: string, isResumable: boolean, refused?: string) => void
}

/** Refusals are told to the client: they are about an address that it chose. */
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
 * `fetch` for the SDK of MCP: nothing is connected to but what the operator allows. The address that was checked is the
 * one that is connected to. Redirects are handed back, and the SDK follows those within the origin; each of them comes by
 * here again. Connections are not shared, because they belong to one client.
 *
 * Errors: `refusal`; `cancelled`; anything else is a connection that failed, with no word about its address.
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
      // No cause: Bun stores the whole URL in it, and a client's URL may hold secrets.
      throw signal.aborted ? cancelled() : new GatewayError('upstream-unavailable', 'the connection to it failed.')
    })
    // As the SDK decides it: the answer to a GET is a stream whatever it is called.
    const isEventStream =
      sent.method === 'GET' || !/^\s*application\/json/i.test(response.headers.get('content-type') ?? '')
    return limited(response, { maxBytes, isEventStream }, (...end) => onEnd(body ?? '', ...end))
  }
}

/** Headers that the gateway sets itself, because they belong to the connection. */
const ownHeaders =
  /^(?:host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect|content-(?:length|type|encoding)|accept(?:-encoding)?|mcp-session-id|mcp-protocol-version|last-event-id)$/i

function allowedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (ownHeaders.test(name) ? [] : [[name.toLowerCase(), value]])),
  )
}

const messageLimits = { levels: 1_000, values: 50_000, messages: 5_000 }
/** What is passed on to the SDK in one turn of the event loop, in the costs of the guard, and how closely it is looked at. */
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
  // What has arrived, and is passed on in the next turn.
  let waiting: Uint8Array | undefined
  // The cost of what was passed on before this turn.
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

  /** As much as the SDK can read in one turn, and what is wrong with it. */
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

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
  /** The body of a response has ended. `isResumable`: the server has numbered its events, and can be asked for the rest. */
  onEnd: (requestBody: string, isResumable: boolean) => void
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
    return limited(response, { maxBytes, isEventStream }, (isResumable) => onEnd(body ?? '', isResumable))
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

const messageLimits = { levels: 1_000, values: 50_000 }

const withoutBody = [204, 205, 304]

function limited(
  response: HttpResponse,
  { maxBytes, isEventStream }: { maxBytes: number; isEventStream: boolean },
  onEnd: (isResumable: boolean) => void,
): Response {
  const { status, headers } = response
  const kept = [...(headers.entries?.() ?? [])].filter(([name]) => !/^content-(?:length|encoding)$/i.test(name))
  if (response.body === null || withoutBody.includes(status)) return new Response(null, { status, headers: kept })
  const stream = byteStreamOf(response.body)
  const tooMuchIn = messageGuard(messageLimits, isEventStream)
  let size = 0
  // The beginning of the line that is being read, to find the first `id:`.
  let line = ''
  let isResumable = false
  const latin1 = new TextDecoder('latin1')
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const bytes = await readBytes(stream).catch(() => null)
      if (bytes === undefined || bytes === null) {
        onEnd(isResumable)
        if (bytes === null) controller.error(new GatewayError('upstream-truncated', 'it closed the connection.'))
        else controller.close()
        return
      }
      size += bytes.length
      const tooMuch = size > maxBytes ? `more than ${Math.round(maxBytes / 1024 / 1024)} MiB` : undefined
      const refused = tooMuch ?? tooMuchIn(bytes)
      if (refused !== undefined) {
        stream.cancel()
        onEnd(false)
        controller.error(refusal(`it sent ${refused}.`))
        return
      }
      if (!isResumable) {
        const lines = (line + latin1.decode(bytes)).split(/\r\n|\r|\n/)
        isResumable = lines.some((one) => one.startsWith('id:'))
        line = (lines.at(-1) ?? '').slice(0, 3)
      }
      controller.enqueue(bytes)
    },
    cancel: () => stream.cancel(),
  })
  return new Response(body, { status, headers: kept })
}

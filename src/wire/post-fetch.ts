import { createConnections } from './connections.ts'
import { type Fetch, type HttpResponse, type Pieces, textOf } from './http.ts'
import { inbox, type Sink } from './inbox.ts'
import type { Lookup } from './names.ts'
import { encodings, unpacked } from './unpack.ts'

/**
 * `fetch` for answers that matter to the last byte: a POST of text goes over sockets of our own, all else over `fetch`.
 *
 * Bun's fetch throws away what it has received and not handed over when the connection breaks behind it: of a burst
 * of events often all. It also runs no more than 256 requests at a time, and takes each event through a second thread.
 * This one hands over every byte first, has no limit, and costs about a fifth less for each event. Redirects are not
 * followed: whoever answers a POST so has not understood it.
 */
export function postFetch(fetch: Fetch, lookup: Lookup): Fetch {
  const connections = createConnections(lookup)
  return (url, init) =>
    init.method === 'POST' && typeof init.body === 'string' ? post(url, init, init.body) : fetch(url, init)

  function post(url: string, { headers, signal }: RequestInit, body: string): Promise<HttpResponse> {
    const to = new URL(url)
    const answer = Promise.withResolvers<HttpResponse>()
    let sink: Sink | undefined
    const stopListening = () => signal?.removeEventListener('abort', abort)
    const fail = (cause: unknown) => {
      stopListening()
      answer.reject(cause)
      sink?.fail(cause)
    }
    if (signal?.aborted) {
      fail(aborted())
      return answer.promise
    }
    const flow = connections.ask(to, requestBytes(to, headers, body), {
      head(status, raw) {
        const headers = headersOf(raw)
        const box = inbox(flow)
        const packed = unpacked(headers.get('content-encoding'), box.sink)
        if (packed) for (const name of ['content-encoding', 'content-length']) headers.delete(name)
        const body = packed ?? box.sink
        sink = body
        answer.resolve(responseOf(status, headers, box.pieces))
        const end = () => {
          stopListening()
          body.end()
        }
        return { push: body.push, end, fail }
      },
      fail,
    })
    signal?.addEventListener('abort', abort, { once: true })
    return answer.promise

    function abort(): void {
      fail(aborted())
      flow.close()
    }
  }
}

/** `Headers` keeps line breaks out of names and values. */
function requestBytes(to: URL, given: RequestInit['headers'], body: string): Uint8Array {
  const headers = new Headers(given)
  headers.set('host', to.host)
  headers.set('accept-encoding', encodings)
  headers.set('content-length', String(Buffer.byteLength(body)))
  let head = `POST ${to.pathname}${to.search} HTTP/1.1\r\n`
  for (const [name, value] of headers) head += `${name}: ${value}\r\n`
  return Buffer.from(`${head}\r\n${body}`)
}

function headersOf(raw: readonly string[]): Headers {
  const headers = new Headers()
  for (let at = 0; at < raw.length; at += 2) headers.append(raw[at] ?? '', raw[at + 1] ?? '')
  return headers
}

const withoutBody = [204, 205, 304]

function responseOf(status: number, headers: Headers, body: Pieces): HttpResponse {
  return {
    status,
    ok: status >= 200 && status <= 299,
    headers,
    body: withoutBody.includes(status) ? null : body,
    text: () => textOf(body),
  }
}

function aborted(): DOMException {
  return new DOMException('The request was aborted.', 'AbortError')
}

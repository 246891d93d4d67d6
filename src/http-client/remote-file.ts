import type { Clock } from '../core/clock.ts'
import { cancelled, GatewayError } from '../core/errors.ts'
import type { Lookup } from './dns.ts'
import { addressesOf, fetchPinned } from './public-address.ts'
import { byteStreamOf, type Fetch, type HttpResponse, readBytes } from './send.ts'
import { userAgent } from './user-agent.ts'

export interface RemoteFileOptions {
  fetch: Fetch
  lookup: Lookup
  clock: Clock
  signal: AbortSignal
  maxBytes: number
  /** For everything together: DNS, redirects, the whole body. */
  timeoutMs: number
}

export interface RemoteFile {
  data: Uint8Array<ArrayBuffer>
  /** Without parameters, in lower case: `image/png`. */
  mediaType: string
}

const maxRedirects = 3

/**
 * Fetches a file from an address that a client chose, but nothing that the client could not reach itself.
 *
 * Only public addresses are allowed, and the connection goes to the address that was checked, so a name that changes
 * its address in between (DNS rebinding) gains nothing. Redirects are followed one by one under the same rules. The
 * proxy of the environment is not used, because it would resolve the name again.
 *
 * Errors: `invalid-request` for anything wrong with the address or the file; `cancelled`.
 */
export async function fetchRemoteFile(url: string, options: RemoteFileOptions): Promise<RemoteFile> {
  const { clock, signal, timeoutMs } = options
  const deadline = new AbortController()
  const stop = clock.after(timeoutMs, () => deadline.abort())
  try {
    return await follow(url, { ...options, signal: AbortSignal.any([signal, deadline.signal]) })
  } catch (thrown) {
    if (signal.aborted) throw cancelled()
    if (deadline.signal.aborted) throw refusal(`The file did not arrive within ${timeoutMs / 1000} s.`)
    if (thrown instanceof GatewayError) throw thrown
    // No cause: Bun stores the whole URL in it, and a client's URL may hold secrets.
    throw refusal('The connection to the host of the file failed.')
  } finally {
    stop()
  }
}

async function follow(first: string, options: RemoteFileOptions): Promise<RemoteFile> {
  let url = checkedUrl(first)
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const response = await dial(url, await publicAddresses(url, options), options)
    const location = response.headers.get('location')
    if (response.status < 300 || response.status > 399 || location === null) return receive(response, options)
    discard(response)
    url = checkedUrl(location, url)
  }
  throw refusal(`The file is behind more than ${maxRedirects} redirects.`)
}

function checkedUrl(text: string, base?: URL): URL {
  if (!URL.canParse(text, base)) throw refusal('The address of the file is not a URL.')
  const url = new URL(text, base)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw refusal('Only http and https addresses of files are fetched.')
  if (url.username !== '' || url.password !== '') throw refusal('The address of the file must not hold a password.')
  return url
}

const fileWords = {
  unknown: 'The host of the file could not be found.',
  none: 'The host of the file has no address.',
  private: 'The host of the file is not on the public internet.',
}

async function publicAddresses(url: URL, { lookup, signal }: RemoteFileOptions): Promise<string[]> {
  const found = await addressesOf(url, { lookup, signal })
  if (!Array.isArray(found)) throw refusal(fileWords[found.refused])
  return found
}

const headers = { accept: 'image/*, */*;q=0.5', 'user-agent': userAgent }

function dial(url: URL, addresses: string[], { fetch, signal }: RemoteFileOptions): Promise<HttpResponse> {
  return fetchPinned(url, addresses, { headers, redirect: 'manual', signal }, fetch)
}

async function receive(response: HttpResponse, { maxBytes }: RemoteFileOptions): Promise<RemoteFile> {
  if (!response.ok) {
    discard(response)
    throw refusal(`The host of the file answered with status ${response.status}.`)
  }
  const [mediaType = ''] = (response.headers.get('content-type') ?? '').split(';')
  const stream = response.body ? byteStreamOf(response.body) : undefined
  const chunks: Uint8Array[] = []
  let size = Number(response.headers.get('content-length') ?? 0)
  if (size <= maxBytes) {
    size = 0
    while (stream && size <= maxBytes) {
      const range = await readBytes(stream)
      if (range === undefined) break
      size += range.length
      chunks.push(range)
    }
  }
  if (size > maxBytes) {
    stream?.cancel()
    throw refusal(`The file is larger than ${Math.floor(maxBytes / 1024 / 1024)} MiB.`)
  }
  return { data: new Uint8Array(Buffer.concat(chunks)), mediaType: mediaType.trim().toLowerCase() }
}

function discard({ body }: HttpResponse): void {
  if (body) byteStreamOf(body).cancel()
}

function refusal(message: string): GatewayError {
  return new GatewayError('invalid-request', message, { param: 'messages', code: 'remote_file_unavailable' })
}

import { BlockList, isIP } from 'node:net'
import { abortable } from '../async/abortable.ts'
import type { Clock } from '../core/clock.ts'
import { cancelled, GatewayError } from '../core/errors.ts'
import type { Lookup } from './dns.ts'
import { byteStreamOf, type Fetch, type HttpResponse, type OutgoingRequest, readBytes } from './send.ts'
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

/** Rejects if any address of the host is not public: attackers mix one private address with public ones. */
async function publicAddresses(url: URL, { lookup, signal }: RemoteFileOptions): Promise<string[]> {
  const host = hostOf(url)
  const addresses = isIP(host) ? [host] : await resolve(host, lookup, signal)
  if (addresses.length === 0) throw refusal('The host of the file has no address.')
  if (!addresses.every(isPublic)) throw refusal('The host of the file is not on the public internet.')
  return addresses.toSorted((left, right) => isIP(left) - isIP(right)) // IPv4 first, because it works everywhere
}

async function resolve(host: string, lookup: Lookup, signal: AbortSignal): Promise<string[]> {
  const records = lookup(host).catch(() => {
    throw refusal('The host of the file could not be found.')
  })
  return (await abortable(records, signal)).map(({ address }) => address)
}

/** Connects to a checked address, with the host's own name in `host` and TLS. */
async function dial(url: URL, addresses: string[], { fetch, signal }: RemoteFileOptions): Promise<HttpResponse> {
  let failure: unknown
  for (const address of addresses) {
    const pinned = new URL(url)
    pinned.hostname = isIP(address) === 6 ? `[${address}]` : address
    pinned.hash = ''
    try {
      return await fetch(pinned.href, {
        headers: { host: url.host, accept: 'image/*, */*;q=0.5', 'user-agent': userAgent },
        redirect: 'manual',
        signal,
        proxy: false,
        timeout: false,
        ...(isIP(hostOf(url)) ? {} : { tls: { serverName: url.hostname } }),
      } as OutgoingRequest)
    } catch (thrown) {
      if (signal.aborted) throw thrown
      failure = thrown
    }
  }
  throw failure
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

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1')
}

/** Whether anyone on the internet can reach an address. Source: IANA's special-purpose address registries. */
export function isPublic(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !special.check(address, 'ipv4')
    case 6:
      return global.check(address, 'ipv6') && !specialGlobal.check(address, 'ipv6')
    default:
      return false
  }
}

const special = blockList('ipv4', [
  ['0.0.0.0', 8], // this network
  ['10.0.0.0', 8],
  ['100.64.0.0', 10], // carrier-grade NAT
  ['127.0.0.0', 8],
  ['169.254.0.0', 16], // link-local; cloud metadata
  ['172.16.0.0', 12],
  ['192.0.0.0', 24], // protocol assignments
  ['192.0.2.0', 24], // documentation
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16],
  ['198.18.0.0', 15], // benchmarks
  ['198.51.100.0', 24], // documentation
  ['203.0.113.0', 24], // documentation
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, broadcast
])

/** Other IPv6 addresses are loopback, private, link-local, multicast, or contain an IPv4 address (mapped, NAT64). */
const global = blockList('ipv6', [['2000::', 3]])

const specialGlobal = blockList('ipv6', [
  ['2001::', 23], // protocol assignments; Teredo
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4: contains an IPv4 address
  ['3fff::', 20], // documentation
])

function blockList(family: 'ipv4' | 'ipv6', ranges: [network: string, prefix: number][]): BlockList {
  const list = new BlockList()
  for (const [network, prefix] of ranges) list.addSubnet(network, prefix, family)
  return list
}

function refusal(message: string): GatewayError {
  return new GatewayError('invalid-request', message, { param: 'messages', code: 'remote_file_unavailable' })
}

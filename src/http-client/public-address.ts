import { BlockList, isIP } from 'node:net'
import { abortable } from '../async/abortable.ts'
import type { Lookup } from './dns.ts'
import type { Fetch, HttpResponse, OutgoingRequest } from './send.ts'

export interface AddressOptions {
  lookup: Lookup
  signal: AbortSignal
  /** The operator has named this host: its addresses may be private. */
  mayBePrivate?: boolean
}

/** Why a connection is refused: the host is not found, has no address, or has one that is not public. */
export interface AddressRefusal {
  refused: 'unknown' | 'none' | 'private'
}

/**
 * The addresses of the host of a URL that a client chose, IPv4 first, because it works everywhere. One private address
 * refuses all of them: attackers mix it with public ones.
 */
export async function addressesOf(url: URL, options: AddressOptions): Promise<string[] | AddressRefusal> {
  const { lookup, signal, mayBePrivate = false } = options
  const host = hostOf(url)
  const found = isIP(host) ? [host] : await resolve(host, lookup, signal)
  if (found === undefined) return { refused: 'unknown' }
  if (found.length === 0) return { refused: 'none' }
  if (!mayBePrivate && !found.every(isPublic)) return { refused: 'private' }
  return found.toSorted((left, right) => isIP(left) - isIP(right))
}

async function resolve(host: string, lookup: Lookup, signal: AbortSignal): Promise<string[] | undefined> {
  const records = await abortable(
    lookup(host).catch(() => undefined),
    signal,
  )
  return records?.map(({ address }) => address)
}

/**
 * Connects to one of these addresses, with the host's own name in `host` and TLS: a name that changes its address after
 * it was checked (DNS rebinding) gains nothing. The proxy of the environment is not used, because it would resolve the
 * name again. Rejects as `fetch` does.
 */
export async function fetchPinned(
  url: URL,
  addresses: readonly string[],
  init: OutgoingRequest,
  fetch: Fetch,
): Promise<HttpResponse> {
  let failure: unknown
  for (const address of addresses) {
    const pinned = new URL(url)
    pinned.hostname = isIP(address) === 6 ? `[${address}]` : address
    pinned.hash = ''
    try {
      return await fetch(pinned.href, {
        ...init,
        headers: { ...init.headers, host: url.host },
        proxy: false,
        timeout: false,
        ...(isIP(hostOf(url)) ? {} : { tls: { serverName: url.hostname } }),
      } as OutgoingRequest)
    } catch (thrown) {
      if (init.signal?.aborted) throw thrown
      failure = thrown
    }
  }
  throw failure
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

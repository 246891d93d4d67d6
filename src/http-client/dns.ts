import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Clock } from '../core/clock.ts'

/** The addresses of a host. Rejects for a name that has none. */
export type Lookup = (hostname: string) => Promise<{ address: string }[]>

export const systemLookup: Lookup = (hostname) => lookup(hostname, { all: true })

/** How long the addresses of a host are believed. */
const cachedMs = 10_000

/** One lookup for all calls that come together, IPv4 first: it is routed everywhere. */
export function cachedLookup(lookup: Lookup, clock: Clock): Lookup {
  const cached = new Map<string, { addresses: ReturnType<Lookup>; until: number }>()
  return (host) => {
    const before = cached.get(host)
    if (before && clock.monotonic() < before.until) return before.addresses
    const addresses = lookup(host).then((all) => all.toSorted((one, other) => isIP(one.address) - isIP(other.address)))
    cached.set(host, { addresses, until: clock.monotonic() + cachedMs })
    addresses.catch(() => cached.delete(host))
    return addresses
  }
}

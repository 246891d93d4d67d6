import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Clock } from '../core/clock.ts'

/** The addresses of a host. Rejects if there are none. */
export type Lookup = (hostname: string) => Promise<{ address: string }[]>

export const systemLookup: Lookup = (hostname) => lookup(hostname, { all: true })

/** How long the addresses of a host are reused. */
const cachedMs = 10_000

/** Shares one lookup between calls, and sorts IPv4 addresses first, because IPv4 works everywhere. */
export function cachedLookup(lookup: Lookup, clock: Clock): Lookup {
  const cached = new Map<string, { addresses: ReturnType<Lookup>; until: number }>()
  return (host) => {
    const known = cached.get(host)
    if (known && clock.monotonic() < known.until) return known.addresses
    const addresses = lookup(host).then((all) => all.toSorted((one, other) => isIP(one.address) - isIP(other.address)))
    cached.set(host, { addresses, until: clock.monotonic() + cachedMs })
    addresses.catch(() => cached.delete(host))
    return addresses
  }
}

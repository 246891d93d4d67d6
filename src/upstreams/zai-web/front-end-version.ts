import { singleFlight } from '../../async/single-flight.ts'
import type { Clock } from '../../core/clock.ts'
import type { WebClient } from './client.ts'

const keepMs = 45 * 60_000
/** After a page that did not answer or named no version. */
const keepAfterFailureMs = 5 * 60_000
const pageTimeoutMs = 5_000

/** The front end's version, which the site demands in `X-FE-Version`: `prod-fe-1.1.98`. */
export interface FrontEndVersion {
  /** What is known, asked anew when it is older than 45 minutes. Rejects only with `cancelled`. */
  current(signal: AbortSignal): Promise<string>
  /** Asks now: the site has just called the known one outdated. */
  refresh(signal: AbortSignal): Promise<string>
}

export interface VersionOptions {
  client: WebClient
  clock: Clock
  /** Used until the site has named one. */
  fallback: string
}

export function frontEndVersion({ client, clock, fallback }: VersionOptions): FrontEndVersion {
  let known: string | undefined
  let goodUntil = Number.NEGATIVE_INFINITY

  const refresh = singleFlight(async () => {
    const found = await discover().catch(() => undefined) // an old version may still do; a failed call would not
    // A cached page from another edge may name an older one.
    known = newest([known, found])
    goodUntil = clock.monotonic() + (found === undefined ? keepAfterFailureMs : keepMs)
    return known ?? fallback
  })

  return {
    refresh,
    async current(signal) {
      return clock.monotonic() < goodUntil ? (known ?? fallback) : refresh(signal)
    },
  }

  async function discover(): Promise<string | undefined> {
    const page = await client.ask('/', { signal: new AbortController().signal, timeoutMs: pageTimeoutMs })
    return page.ok ? newest(page.text.match(/prod-fe-\d+(?:\.\d+)*/g) ?? []) : undefined
  }
}

/** By number, not by letter: 1.1.100 is newer than 1.1.98. */
function newest(versions: readonly (string | undefined)[]): string | undefined {
  return versions.reduce((best, version) => {
    if (best === undefined || version === undefined) return best ?? version
    return compare(version, best) > 0 ? version : best
  }, undefined)
}

function compare(left: string, right: string): number {
  const lefts = numbersOf(left)
  const rights = numbersOf(right)
  for (let index = 0; index < Math.max(lefts.length, rights.length); index++) {
    const difference = (lefts[index] ?? 0) - (rights[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function numbersOf(version: string): number[] {
  return (version.match(/\d+/g) ?? []).map(Number)
}

import { singleFlight } from '../../async/single-flight.ts'
import type { Clock } from '../../core/clock.ts'
import type { WebClient } from './client.ts'

const keepMs = 45 * 60_000
/** How long the known version is used after the page could not be read or named no version. */
const keepAfterFailureMs = 5 * 60_000
const pageTimeoutMs = 5_000

/** The version of the site's front end, which the site requires in `X-FE-Version`: `prod-fe-1.1.98`. */
export interface FrontEndVersion {
  /** The known version, read again when it is older than 45 minutes. Rejects only with `cancelled`. */
  current(signal: AbortSignal): Promise<string>
  /** Reads the version now, because the site has just called the known one outdated. */
  refresh(signal: AbortSignal): Promise<string>
}

export interface VersionOptions {
  client: WebClient
  clock: Clock
  /** Used until the version has been read. */
  fallback: string
}

export function frontEndVersion({ client, clock, fallback }: VersionOptions): FrontEndVersion {
  let known: string | undefined
  let goodUntil = Number.NEGATIVE_INFINITY

  const refresh = singleFlight(async () => {
    const found = await discover().catch(() => undefined) // the known version may still be accepted
    // A cached page of another edge server may name an older version.
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
    const page = await client.fetchWhole('/', { signal: new AbortController().signal, timeoutMs: pageTimeoutMs })
    return page.ok ? newest(page.text.match(/prod-fe-\d+(?:\.\d+)*/g) ?? []) : undefined
  }
}

/** Compares by number, not by letter: 1.1.100 is newer than 1.1.98. */
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

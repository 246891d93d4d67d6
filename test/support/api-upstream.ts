import { systemClock } from '../../src/async/system-clock.ts'
import type { Upstream } from '../../src/core/upstream.ts'
import type { Fetch } from '../../src/http-client/send.ts'
import { zaiApi } from '../../src/upstreams/zai-api/index.ts'
import { lending } from './pool.ts'

export interface ApiUpstreamOptions {
  /** `http://127.0.0.1:40000` */
  origin: string
  key: string
  fetch: Fetch
  idleMs: number
}

const nobodyWaits = { queueLimit: 10, queueMs: 0 }

/** The real `zai-api` with its default settings, except that no call waits for a key. */
export function apiUpstream({ origin, key, fetch, idleMs }: ApiUpstreamOptions): Upstream {
  return zaiApi(
    {
      keys: [key],
      baseUrl: `${origin}/api/paas/v4`,
      idleMs,
      headersTimeoutMs: 2_000,
      modelsTtlMs: 600_000,
      scanLimit: 200_000,
      tools: true,
    },
    {
      ...lending(systemClock, nobodyWaits),
      fetch,
      clock: systemClock,
      newUuid: () => crypto.randomUUID(),
      log: () => {},
    },
  )
}

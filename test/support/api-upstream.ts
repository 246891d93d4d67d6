import { systemClock } from '../../src/async/system-clock.ts'
import type { Clock } from '../../src/core/clock.ts'
import type { Upstream } from '../../src/core/upstream.ts'
import type { QueueLimits } from '../../src/gateway/credential-pool/index.ts'
import type { Fetch } from '../../src/http-client/send.ts'
import { zaiApi } from '../../src/upstreams/zai-api/index.ts'
import { lending } from './pool.ts'

export interface ApiUpstreamOptions {
  /** `http://127.0.0.1:40000` */
  origin: string
  key: string | readonly string[]
  fetch: Fetch
  idleMs: number
  clock?: Clock
  queue?: QueueLimits
}

/** The real `zai-api` with its default settings, except that no call waits for a key. */
export function apiUpstream({
  origin,
  key,
  fetch,
  idleMs,
  clock = systemClock,
  queue = { queueLimit: 10, queueMs: 0 },
}: ApiUpstreamOptions): Upstream {
  return zaiApi(
    {
      keys: typeof key === 'string' ? [key] : [...key],
      baseUrl: `${origin}/api/paas/v4`,
      idleMs,
      headersTimeoutMs: 2_000,
      modelsTtlMs: 600_000,
      scanLimit: 200_000,
      tools: true,
    },
    {
      ...lending(clock, queue),
      fetch,
      clock,
      newUuid: () => crypto.randomUUID(),
      log: () => {},
    },
  )
}

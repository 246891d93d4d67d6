import { systemClock } from '../../src/async/system-clock.ts'
import type { Clock } from '../../src/core/clock.ts'
import type { Upstream } from '../../src/core/upstream.ts'
import type { QueueLimits } from '../../src/gateway/credential-pool/index.ts'
import type { Fetch } from '../../src/http-client/send.ts'
import { zaiWeb } from '../../src/upstreams/zai-web/index.ts'
import { type ChatZai, chatZai, webDefaults } from './chat-zai.ts'
import { type GatewaySettings, type RunningGateway, startGateway } from './gateway.ts'
import { lending } from './pool.ts'

export interface WebGateway {
  site: ChatZai
  gateway: RunningGateway
  /** Token of an account the site knows and the gateway uses. */
  token: string
  stop(): Promise<void>
}

/** The real server and the real `zai-web` in front of a scripted chat.z.ai, all on sockets of loopback. */
export function startWebGateway(
  settings: GatewaySettings & { idleMs?: number; account?: boolean; queue?: QueueLimits } = {},
): WebGateway {
  const site = chatZai()
  const { url, stop } = site.listen()
  const token = site.addAccount('Alice')
  const upstream = webUpstream({
    url,
    fetch,
    tokens: settings.account ? [token] : [],
    idleMs: settings.idleMs ?? 5_000,
    queue: settings.queue,
  })
  const gateway = startGateway([upstream], settings)
  return {
    site,
    gateway,
    token,
    async stop() {
      await gateway.stop()
      stop()
    },
  }
}

export interface WebUpstreamOptions {
  url: string
  fetch: Fetch
  tokens: string[]
  idleMs: number
  queue?: QueueLimits
  clock?: Clock
}

/** The real `zai-web` with its default settings. */
export function webUpstream({ url, fetch, tokens, idleMs, queue, clock = systemClock }: WebUpstreamOptions): Upstream {
  return zaiWeb(
    { ...webDefaults, baseUrl: url, tokens, idleMs, headersTimeoutMs: 5_000 },
    { ...lending(clock, queue), fetch, clock, newUuid: () => crypto.randomUUID(), log: () => {} },
  )
}

import type { CredentialSource } from '../../../src/upstreams/zai-web/accounts/account-lease.ts'
import { webAccounts } from '../../../src/upstreams/zai-web/accounts/index.ts'
import { webClient } from '../../../src/upstreams/zai-web/client.ts'
import { frontEndVersion } from '../../../src/upstreams/zai-web/front-end-version.ts'
import { type ChatZai, type ChatZaiOptions, chatZai } from '../../support/chat-zai.ts'
import { type ManualClock, manualClock } from '../../support/clock.ts'
import { lending } from '../../support/pool.ts'

export const signal = new AbortController().signal

/** The parts below `open`, standing before one scripted site. */
export function parts(zai: ChatZai = chatZai(), clock: ManualClock = manualClock()) {
  const logged: string[] = []
  const door = webClient({ baseUrl: 'https://chat.z.ai', fetch: zai.fetch, clock, headersTimeoutMs: 30_000 })
  const version = frontEndVersion({ client: door, clock, fallback: 'prod-fe-1.1.90' })
  const log = (_level: 'info' | 'warn', message: string) => void logged.push(message)
  return { zai, clock, client: door, version, log, logged }
}

export function pool(options: Partial<Parameters<typeof webAccounts>[0]> = {}, zaiOptions: ChatZaiOptions = {}) {
  const base = parts(chatZai(zaiOptions))
  const open = (more: typeof options = {}) =>
    webAccounts({ ...defaults, ...base, ...lending<CredentialSource>(base.clock), ...options, ...more })
  return { ...base, open }
}

const defaults = { tokens: [], backupToken: undefined, anonymous: true, guestTtlMs: 480_000 }

/** What a chat asks of the accounts. */
export function wanted(guests = true) {
  return { model: 'glm-4.7', caller: 'key', signal, guests, annotate: () => {} }
}

/** Lets everything that was started in the background run as far as it can. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}

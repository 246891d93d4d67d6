import { doctor } from '../../../src/cli/commands/doctor/index.ts'
import type { Probes } from '../../../src/cli/commands/doctor/probes.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { UsageError } from '../../../src/config/usage-error.ts'
import { dialects } from '../../../src/dialects/index.ts'
import { replyAddresses } from '../../../src/http/hints.ts'
import type { Fetch } from '../../../src/http-client/send.ts'
import { upstreamKinds } from '../../../src/upstreams/index.ts'
import { manualClock } from '../../support/clock.ts'

export const now = 1_760_000_000_000

/** How many APIs are asked for an answer. */
export const asked = replyAddresses(dialects).length

export interface World {
  env?: Record<string, string>
  fetch?: Fetch
  proves?: boolean
  /** `ENOTFOUND`, an address, or `silence`, with which every timeout passes at once. */
  name?: string
  port?: string
  /** How many milliseconds the upstream's clock is behind. */
  skewMs?: number
  /** Configurations of proxies on this machine. */
  proxyFiles?: { path: string; text: string }[]
  json?: boolean
  offline?: boolean
  /** Why the configuration is not taken. */
  refused?: { problem: string; remedy: string }
}

export async function run(world: World) {
  const result = { code: -1, stdout: '' }
  const io = {
    env: world.env ?? {},
    cwd: '/srv',
    readFile: () => undefined,
    stdout(said: string) {
      result.stdout += said
    },
    stderr(said: string) {
      throw new Error(said)
    },
    version: '1.2.3',
  }
  const { fetch = unreachable('no fetch in this test'), name = '203.0.113.7', port = 'free', skewMs = 0 } = world
  const edge: Probes = {
    fetch: async (url, init) => {
      const response = await fetch(url, init)
      const { status, ok, body, headers } = response
      const dated = headers.get('date') ?? new Date(now - skewMs).toUTCString()
      const get = (name: string) => (name === 'date' ? dated : headers.get(name))
      return { status, ok, body, headers: { get }, text: () => response.text() }
    },
    clock: name === 'silence' ? { now: () => now, monotonic: () => 0, after: impatient } : manualClock(now),
    lookup: async () => {
      if (name === 'silence') return new Promise(() => {})
      if (/^E[A-Z_]+$/.test(name)) throw Object.assign(new Error('lookup'), { code: name })
      return [name]
    },
    tryPort: async () => port,
    proves: async () => world.proves ?? false,
    proxyFiles: () => world.proxyFiles ?? [],
  }
  const { json = false, offline = false } = world
  const load = () => {
    if (world.refused) throw new UsageError(world.refused.problem, world.refused)
    return loadConfig(new Map(), io, upstreamKinds)
  }
  result.code = await doctor(load, io, { json, offline }, edge)
  return { ...result, lines: result.stdout.split('\n') }
}

function impatient(_ms: number, run: () => void): () => void {
  queueMicrotask(run)
  return () => {}
}

export function unreachable(code: string): Fetch {
  return async () => {
    throw Object.assign(new Error('connect'), { code })
  }
}

/** The lines about one check: the result, and what to do next. */
export function about(check: string, lines: readonly string[]): string {
  const at = lines.findIndex((line) => line.slice(6).startsWith(`${check} `))
  return lines.slice(at, lines[at + 1]?.startsWith('      → ') ? at + 2 : at + 1).join('\n')
}

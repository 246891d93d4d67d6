import { systemClock } from '../../async/system-clock.ts'
import type { Config } from '../../config/load.ts'
import { builtInUpstreams, kindOf, type UpstreamInstance } from '../../config/upstream-rows.ts'
import type { Clock } from '../../core/clock.ts'
import { asGatewayError } from '../../core/errors.ts'
import { limitTitle, type Quota, type QuotaLimit, quotaSummary, usedPercent } from '../../core/quota.ts'
import type { Fetch } from '../../http-client/send.ts'
import { upstreamKinds } from '../../upstreams/index.ts'
import type { QuotaReader, UpstreamKinds } from '../../upstreams/upstream-kind.ts'
import type { Io } from '../io.ts'

export interface QuotaDeps {
  fetch: Fetch
  clock: Clock
  /** IANA name. Default: the time zone of the machine. */
  timeZone?: string
}

const timeoutMs = 10_000

/** The quota of one key, or why it is not known. */
type KeyQuota = QuotaKey & ({ quota: Quota } | { reason: string })

interface QuotaKey {
  /** The setting that holds the keys of the built-in upstream. */
  setting: string
  /** Id of the upstream if the key is in a row of `[[upstreams]]`. */
  upstream?: string
  /** Counted from 1. Part of the JSON output. */
  place: number
}

/** Prints how much of the plan behind each key is used. Resolves with 1 if no quota could be read. */
export async function quota(
  config: Config,
  io: Io,
  { json }: { json: boolean },
  deps: QuotaDeps = { fetch, clock: systemClock },
  kinds: UpstreamKinds = upstreamKinds,
): Promise<number> {
  const keys = keysIn(config, kinds)
  if (keys.length === 0) {
    const wanted = kinds.flatMap((kind) => kind.quota?.setting ?? [])
    io.stderr(`zai2api: there is no key whose plan could be shown; set ${wanted.join(' or ')}\n`)
    return 1
  }
  const keyQuota = await readAll(keys, deps)
  io.stdout(
    json
      ? `${JSON.stringify(
          keyQuota.map(({ setting, ...shown }) => shown),
          undefined,
          2,
        )}\n`
      : keyQuota.map((one) => page(one, keyQuota.length, deps)).join('\n'),
  )
  return keyQuota.some((one) => 'quota' in one) ? 0 : 1
}

/** One line for each key whose quota could be read, for the log: `pro, 5 hours 7 %, week 44 %`. */
export async function quotaLines(config: Config): Promise<string[]> {
  const keyQuota = await readAll(keysIn(config, upstreamKinds), { fetch, clock: systemClock })
  return keyQuota.flatMap((one) => ('quota' in one ? [quotaSummary(one.quota)] : []))
}

/**
 * Every key whose quota can be read. The keys of a built-in upstream are included even if the upstream is not in use:
 * the quota belongs to the key.
 */
function keysIn(config: Config, kinds: UpstreamKinds): (QuotaKey & { read: QuotaReader })[] {
  const unused = builtInUpstreams.filter((id) => !config.upstreams.some((used) => used.id === id))
  const instances: UpstreamInstance[] = [...unused.map((id) => ({ id })), ...config.upstreams]
  return instances.flatMap((instance) => {
    const { quota } = kindOf(instance, kinds)
    const readers = quota?.readers(instance, config) ?? []
    const { setting = '' } = quota ?? {}
    const name = instance.row ? { upstream: instance.id } : {}
    return readers.map((read, index) => ({ setting, place: index + 1, ...name, read }))
  })
}

function readAll(
  keys: readonly (QuotaKey & { read: QuotaReader })[],
  { fetch, clock }: QuotaDeps,
): Promise<KeyQuota[]> {
  const { signal } = new AbortController()
  return Promise.all(
    keys.map(async ({ read, ...key }) => {
      try {
        return { ...key, quota: await read({ fetch, clock, signal, timeoutMs }) }
      } catch (thrown) {
        return { ...key, reason: asGatewayError(thrown).message }
      }
    }),
  )
}

function page(keyQuota: KeyQuota, keys: number, { clock, timeZone }: QuotaDeps): string {
  const owner = keyQuota.upstream ?? keyQuota.setting
  const name = keys === 1 ? owner : `Key ${keyQuota.place} of ${owner}`
  if ('reason' in keyQuota) return `${name}: ${keyQuota.reason}\n`
  const { plan, limits } = keyQuota.quota
  const head = `${name}: ${plan === undefined ? 'no plan' : `plan ${plan}`}\n`
  const rows = limits.map((limit) => [
    limitTitle(limit),
    usedPercent(limit),
    countOf(limit),
    resetOf(limit, clock.now(), timeZone),
  ])
  const widths = [0, 1, 2, 3].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)))
  const lines = rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`)
  return head + lines.map((line) => `${line.trimEnd()}\n`).join('')
}

function countOf({ used, total }: QuotaLimit): string {
  return used === undefined || total === undefined ? '' : `${used} of ${total}`
}

/** `resets 2026-11-22 18:05, in 3 h 4 min`, in local time. */
function resetOf({ resetsAt }: QuotaLimit, now: number, timeZone: string | undefined): string {
  if (resetsAt === undefined) return ''
  const at = new Intl.DateTimeFormat('sv-SE', {
    dateStyle: 'short',
    timeStyle: 'short',
    ...(timeZone === undefined ? {} : { timeZone }),
  }).format(resetsAt)
  return `resets ${at}${resetsAt > now ? `, in ${spanOf(resetsAt - now)}` : ''}`
}

function spanOf(ms: number): string {
  const minutes = Math.ceil(ms / 60_000)
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60)]
  if (days > 0) return `${days} d ${hours} h`
  return hours > 0 ? `${hours} h ${minutes % 60} min` : `${minutes} min`
}

import { systemClock } from '../../async/system-clock.ts'
import type { Config } from '../../config/load.ts'
import type { Clock } from '../../core/clock.ts'
import { asGatewayError } from '../../core/errors.ts'
import type { Fetch } from '../../http-client/send.ts'
import { apiAccounts } from '../../upstreams/zai-api/accounts.ts'
import { type Quota, type QuotaLimit, readQuota } from '../../upstreams/zai-api/quota.ts'
import type { Io } from '../io.ts'

export interface QuotaDeps {
  fetch: Fetch
  clock: Clock
  /** IANA name. Default: the time zone of the machine. */
  timeZone?: string
}

const timeoutMs = 10_000

/** The quota of one key, or why it is not known. */
type KeyQuota = KeyName & ({ quota: Quota } | { reason: string })

interface KeyName {
  /** Id of the upstream if the key is not one of ZAI_API_KEY. */
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
): Promise<number> {
  if (apiAccounts(config).every(({ keys }) => keys.length === 0)) {
    io.stderr('zai2api: there is no key whose plan could be shown; set ZAI_API_KEY\n')
    return 1
  }
  const keyQuota = await readAll(config, deps)
  io.stdout(
    json
      ? `${JSON.stringify(keyQuota, undefined, 2)}\n`
      : keyQuota.map((one) => page(one, keyQuota.length, deps)).join('\n'),
  )
  return keyQuota.some((one) => 'quota' in one) ? 0 : 1
}

/** One line for each key whose quota could be read, for the log: `pro, 5 hours 7 %, week 44 %`. */
export async function quotaLines(config: Config): Promise<string[]> {
  const keyQuota = await readAll(config, { fetch, clock: systemClock })
  return keyQuota.flatMap((one) => ('quota' in one ? [summary(one.quota)] : []))
}

export function summary({ plan, limits }: Quota): string {
  const used = limits.map((limit) => `${titleOf(limit)} ${percent(limit)}`)
  return [plan ?? 'no plan', ...used].join(', ')
}

function readAll(config: Config, { fetch, clock }: QuotaDeps): Promise<KeyQuota[]> {
  const { signal } = new AbortController()
  const keys = apiAccounts(config).flatMap(({ id, keys, baseUrl }) =>
    keys.map((key, index) => ({ key, baseUrl, place: index + 1, ...(id === 'zai-api' ? {} : { upstream: id }) })),
  )
  return Promise.all(
    keys.map(async ({ key, baseUrl, ...name }) => {
      try {
        return { ...name, quota: await readQuota({ baseUrl, key, fetch, clock, signal, timeoutMs }) }
      } catch (thrown) {
        return { ...name, reason: asGatewayError(thrown).message }
      }
    }),
  )
}

function page(keyQuota: KeyQuota, keys: number, { clock, timeZone }: QuotaDeps): string {
  const owner = keyQuota.upstream ?? 'ZAI_API_KEY'
  const name = keys === 1 ? owner : `Key ${keyQuota.place} of ${owner}`
  if ('reason' in keyQuota) return `${name}: ${keyQuota.reason}\n`
  const { plan, limits } = keyQuota.quota
  const head = `${name}: ${plan === undefined ? 'no plan' : `plan ${plan}`}\n`
  const rows = limits.map((limit) => [
    titleOf(limit),
    percent(limit),
    countOf(limit),
    resetOf(limit, clock.now(), timeZone),
  ])
  const widths = [0, 1, 2, 3].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)))
  const lines = rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`)
  return head + lines.map((line) => `${line.trimEnd()}\n`).join('')
}

/** `5 hours`, `week`, `month (tool calls)` */
function titleOf({ kind, window }: QuotaLimit): string {
  const span = window && (window.count === 1 ? window.unit : `${window.count} ${window.unit}s`)
  const what = { tokens: undefined, 'tool-calls': 'tool calls', credits: 'credits', other: 'other' }[kind]
  if (span === undefined) return what ?? 'tokens'
  return what === undefined ? span : `${span} (${what})`
}

function percent({ usedPercent }: QuotaLimit): string {
  return usedPercent === undefined ? '?' : `${Math.round(usedPercent)} %`
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

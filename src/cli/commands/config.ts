import type { LoadedConfig } from '../../config/load.ts'
import { groups } from '../../config/setting.ts'
import { settingList } from '../../config/table.ts'
import type { UpstreamInstance } from '../../config/upstream-rows.ts'
import { fingerprintOf } from '../../core/fingerprint.ts'

interface Effective {
  value: unknown
  source: string
}

/** Every setting with its value and its origin, in the table's order. Secrets are masked. */
export function describeConfig(loaded: LoadedConfig, options: { json: boolean }): string {
  const effective = new Map(settingList.map(({ env, ...setting }) => [env, effectiveValue(setting, loaded)]))
  return options.json ? `${JSON.stringify(Object.fromEntries(effective), undefined, 2)}\n` : columns(effective)
}

/** The same for the operator's page, as text. Of secrets it has the fingerprint alone. */
export function configRows(loaded: LoadedConfig): ConfigRow[] {
  return settingList.map((setting) => {
    const { value, source } = effectiveValue(setting, loaded, fingerprints)
    return {
      name: setting.env,
      group: groups[setting.group],
      about: setting.about,
      secret: setting.secret ?? false,
      source,
      ...(value === null || text(value) === '-' ? {} : { value: text(value) }),
      ...(setting.default === '' ? {} : { default: setting.default }),
    }
  })
}

interface ConfigRow {
  name: string
  group: string
  about: string
  secret: boolean
  /** Absent if it is not set. */
  value?: string
  source: string
  default?: string
}

function effectiveValue(
  { name, secret }: Pick<(typeof settingList)[number], 'name' | 'secret'>,
  { config, origins }: LoadedConfig,
  mask = masked,
): Effective {
  const value = name === 'upstreams' ? config.upstreams.map((each) => shown(each, mask)) : (config[name] ?? null)
  return { value: secret ? mask(value) : withoutPassword(value), source: origins.get(name) ?? 'default' }
}

function shown({ id, row }: UpstreamInstance, mask: typeof masked): unknown {
  if (row === undefined) return id
  return row.keys === undefined ? row : { ...row, keys: mask(row.keys) }
}

function fingerprints(secret: unknown): unknown {
  if (Array.isArray(secret)) return secret.map(fingerprints)
  return typeof secret === 'string' ? fingerprintOf(secret) : null
}

/** Shows enough of a key to distinguish it from others, but too little to use it. */
function masked(secret: unknown): unknown {
  if (Array.isArray(secret)) return secret.map(masked)
  if (typeof secret !== 'string') return null
  return secret.length > 12 ? `${secret.slice(0, 3)}…${secret.slice(-4)}` : '***'
}

/** A URL without its password. Other values stay as they are. */
function withoutPassword(value: unknown): unknown {
  if (typeof value !== 'string' || !URL.canParse(value)) return value
  const url = new URL(value)
  if (url.password === '') return value
  url.password = '***'
  return url.href
}

function columns(effective: ReadonlyMap<string, Effective>): string {
  const rows = [...effective].map(([env, { value, source }]) => [env, text(value), source] as const)
  const nameWidth = Math.max(...rows.map(([env]) => env.length))
  const valueWidth = Math.max(...rows.map(([, value]) => value.length))
  return rows
    .map(([env, value, source]) => `${env.padEnd(nameWidth)}  ${value.padEnd(valueWidth)}  ${source}\n`)
    .join('')
}

function item(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function text(value: unknown): string {
  if (value === null) return '-'
  if (Array.isArray(value)) return value.map(item).join(',') || '-'
  if (typeof value !== 'object') return String(value)
  const pairs = Object.entries(value).map(([from, to]) => `${from}=${to}`)
  return pairs.join(',') || '-'
}

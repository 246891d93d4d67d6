import type { Static, TObject } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { Config } from '../config/load.ts'
import type { ConfigurableKind, UpstreamInstance } from '../config/upstream-rows.ts'
import type { Clock } from '../core/clock.ts'
import type { Pool, PoolControl } from '../core/credential-pool.ts'
import type { GatewayError } from '../core/errors.ts'
import type { Examined } from '../core/finding.ts'
import type { Quota } from '../core/quota.ts'
import type { Upstream } from '../core/upstream.ts'
import type { ProbeOptions } from '../http-client/probe.ts'
import type { Fetch } from '../http-client/send.ts'
import type { ModelTable } from '../models/table.ts'

/** One kind of upstream, with everything that the rest of the program needs to know about it. */
export interface UpstreamKind extends ConfigurableKind {
  /** What its instances are, for people: `Official API`. */
  title: string
  /** Prepares one instance. What its pool learns about the credentials outlives changes of the configuration. */
  start(id: string, outside: Outside): StartedUpstream
  /** Checks the credentials of an instance, one by one. Does not check first that the instance's origin can be reached. */
  examine(instance: UpstreamInstance, config: Config, edge: ProbeOptions): Promise<Examined>
  /** Only if the service tells how much of a plan is used. */
  quota?: KindQuota
  /** Absent if nothing is paid for. */
  paidIn?(instance: UpstreamInstance, config: Config): PaidIn
  /** What the user should know when a server starts with this upstream in front of all others. */
  startNote(instance: UpstreamInstance, config: Config): string | undefined
}

/**
 * Credits of Z.AI's coding plan, or US dollars. The prices of Z.AI say nothing about the same model on another server:
 * there only the user's own count.
 */
export type PaidIn = 'credits' | 'dollars' | 'dollars by own prices'

export type UpstreamKinds = readonly UpstreamKind[]

interface KindQuota {
  /** The setting that holds the keys of the built-in instance: `ZAI_API_KEY`. */
  setting: string
  /** One for each key of the instance, in order. Errors: UsageError; those of a reader: GatewayError. */
  readers(instance: UpstreamInstance, config: Config): QuotaReader[]
}

export type QuotaReader = (call: QuotaCall) => Promise<Quota>

export interface QuotaCall extends ProbeOptions {
  signal: AbortSignal
  timeoutMs: number
}

export interface StartedUpstream {
  /** The upstream as a configuration sets it up. It replaces the one that the last call returned. */
  configure(instance: UpstreamInstance, config: Config, table: ModelTable): Upstream
  /** What the operator may see of its credentials and do with them. */
  control: PoolControl
  /** Calls that wait for a credential, and later ones, fail with `error` at once. */
  close(error: GatewayError): void
}

/** What upstreams use of the world outside. */
export interface Outside {
  fetch: Fetch
  clock: Clock
  /** From 0 to 1. */
  random: () => number
  newUuid: () => string
  log: (level: 'info' | 'warn', message: string) => void
  createPool: <Credential>(options: { upstream: string; name: string; startLimit: number }) => Pool<Credential>
}

/** What an upstream is created with, besides its settings. */
export interface UpstreamDeps<Credential> extends Omit<Outside, 'createPool'> {
  /** Outlives the upstream: its successor continues with what is known about the credentials. */
  pool: Pool<Credential>
  /** Facts about models. */
  table: ModelTable
}

/** `Settings` is what one instance is created from. Errors of the functions that make them: UsageError. */
export interface UpstreamDefinition<Row extends TObject, Settings, Credential> {
  id: string
  /** The vendor of the built-in instance, for messages: `Z.AI`. Other instances are named by their ids. */
  label?: string
  /** What its instances are, for people: `Official API`. Default: its id. */
  title?: string
  /** The settings of the built-in instance. Absent for a kind whose instances are all rows of `[[upstreams]]`. */
  builtIn?: (config: Config) => Settings
  /** Absent for a kind without rows. `schema` is made by `rowSchema`. */
  rows?: { schema: Row; settings: (row: Static<Row>, config: Config) => Settings }
  /** Everything that is sent goes to the origin of this URL. Absent for an upstream that sends nothing. */
  baseUrl?: (settings: Settings) => string
  /**
   * Calls at a time that are tried under a new credential, before a refusal has taught how many it allows. Default: any
   * number, for a service where a refusal does no harm.
   */
  startLimit?: number
  create: (settings: Settings, deps: UpstreamDeps<Credential>) => Upstream
  doctor: (settings: Settings, edge: ProbeOptions) => Promise<Examined>
  quota?: { setting: string; readers: (settings: Settings) => QuotaReader[] }
  /** Absent if nothing is paid for. */
  paidIn?: (settings: Settings) => PaidIn
  startNote?: (settings: Settings) => string | undefined
}

export function defineUpstream<Row extends TObject, Settings, Credential>(
  definition: UpstreamDefinition<Row, Settings, Credential>,
): UpstreamKind {
  const {
    id: kind,
    label,
    builtIn,
    rows,
    baseUrl,
    startLimit = Number.POSITIVE_INFINITY,
    create,
    quota,
    paidIn,
  } = definition
  return {
    id: kind,
    title: definition.title ?? kind,
    ...(rows ? { row: rows.schema } : {}),
    origin: (instance, config) => baseUrl && new URL(baseUrl(settingsOf(instance, config))).origin,
    start(id, { createPool, ...outside }) {
      const name = id === kind && label !== undefined ? label : id
      const pool = createPool<Credential>({ upstream: id, name, startLimit })
      return {
        configure: (instance, config, table) => create(settingsOf(instance, config), { ...outside, pool, table }),
        control: pool.control,
        close: (error) => pool.close(error),
      }
    },
    examine: (instance, config, edge) => definition.doctor(settingsOf(instance, config), edge),
    ...(quota && {
      quota: {
        setting: quota.setting,
        readers: (instance, config) => quota.readers(settingsOf(instance, config)),
      },
    }),
    ...(paidIn && { paidIn: (instance: UpstreamInstance, config: Config) => paidIn(settingsOf(instance, config)) }),
    startNote: (instance, config) => definition.startNote?.(settingsOf(instance, config)),
  }

  function settingsOf({ id, row }: UpstreamInstance, config: Config): Settings {
    if (row === undefined && builtIn) return builtIn(config)
    if (row !== undefined && rows && Value.Check(rows.schema, row)) return rows.settings(row, config)
    throw new Error(`${id} is not set up as ${kind} can be`)
  }
}

import type { Static, TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { Config } from '../config/load.ts'
import type { UpstreamInstance } from '../config/upstream-rows.ts'
import type { Clock } from '../core/clock.ts'
import type { Pool } from '../core/credential-pool.ts'
import type { GatewayError } from '../core/errors.ts'
import type { Upstream } from '../core/upstream.ts'
import type { Fetch } from '../http-client/send.ts'
import type { ModelTable } from '../models/table.ts'

/** One kind of upstream, with everything that the rest of the program needs to know about it. */
export interface UpstreamKind {
  /** The kind of its rows in `[[upstreams]]`, and the id of its built-in instance: `zai-api`. */
  id: string
  /** Prepares one instance. What its pool learns about the credentials outlives changes of the configuration. */
  start(id: string, outside: Outside): StartedUpstream
}

export type UpstreamKinds = readonly UpstreamKind[]

export interface StartedUpstream {
  /** The upstream as a configuration sets it up. It replaces the one that the last call returned. */
  configure(instance: UpstreamInstance, config: Config, table: ModelTable): Upstream
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
export interface UpstreamDefinition<Row extends TSchema, Settings, Credential> {
  id: string
  /** Whose service the built-in instance is, for messages: `Z.AI`. Other instances go by their ids. */
  label?: string
  /** The settings of the built-in instance. Absent for a kind whose instances are all rows of `[[upstreams]]`. */
  builtIn?: (config: Config) => Settings
  /** Absent for a kind without rows. */
  rows?: { schema: Row; settings: (row: Static<Row>, config: Config) => Settings }
  /**
   * Calls at a time that are tried under a new credential, before a refusal has taught how many it allows. Default: any
   * number, for a service where a refusal does no harm.
   */
  startLimit?: number
  create: (settings: Settings, deps: UpstreamDeps<Credential>) => Upstream
}

export function defineUpstream<Row extends TSchema, Settings, Credential>(
  definition: UpstreamDefinition<Row, Settings, Credential>,
): UpstreamKind {
  const { id: kind, label, builtIn, rows, startLimit = Number.POSITIVE_INFINITY, create } = definition
  return {
    id: kind,
    start(id, { createPool, ...outside }) {
      const name = id === kind && label !== undefined ? label : id
      const pool = createPool<Credential>({ upstream: id, name, startLimit })
      return {
        configure: (instance, config, table) => create(settingsOf(instance, config), { ...outside, pool, table }),
        close: (error) => pool.close(error),
      }
    },
  }

  function settingsOf({ id, row }: UpstreamInstance, config: Config): Settings {
    if (row === undefined && builtIn) return builtIn(config)
    if (row !== undefined && rows && Value.Check(rows.schema, row)) return rows.settings(row, config)
    throw new Error(`${id} is not set up as ${kind} can be`)
  }
}

/** The kind of an instance: that of its row, or for a built-in one the kind of the same name. */
export function kindOf({ id, row }: UpstreamInstance, kinds: UpstreamKinds): UpstreamKind {
  const name = row?.kind ?? id
  const kind = kinds.find((one) => one.id === name)
  if (kind === undefined) throw new Error(`there is no upstream of the kind ${name}`)
  return kind
}

import type { BuiltInUpstream } from './upstream-rows.ts'
import type { ValueKind } from './value-kinds.ts'

/** One setting. Its help, its documentation and its error messages are generated from this row. */
export interface Setting {
  /** The environment variable. Its lower-case form is the TOML key, its kebab-case form the flag. */
  env: string
  /** The flag, if it is not the variable in kebab-case. */
  flag?: string
  /** The TOML key, if it is not the variable in lower case. */
  toml?: string
  group: keyof typeof groups
  kind: ValueKind
  /** As text, read like a value of any other source. '' means unset. */
  default: string
  about: string
  role: Role
  /** How the setting protects the gateway. Absent if it does not. */
  protects?: Protection
  /** The value is never shown in full and has no flag, because other users of the machine can read a command line. */
  secret?: true
  /** The value in `.env.example` if there is no default. */
  example?: string
}

/**
 * How a setting protects the gateway or its owner's accounts, which decides what values protect less:
 * - `limit`: a higher number; with `limit, 0 for none` also 0
 * - `origins`: additional origins
 * - `loopback`: an address that is not loopback
 * - `refuses`: any value other than this one
 */
export type Protection = 'limit' | 'limit, 0 for none' | 'origins' | 'loopback' | { refuses: boolean | string }

/** A receiver of credentials: the gateway itself (from its clients), an upstream or the collector of traces. */
export type Destination = 'gateway' | BuiltInUpstream | 'collector'

/**
 * How a setting affects secrets. Every row must state it.
 *
 * A credential is sent only to an address whose source is trusted as much as the credential's. Prompts are trusted as
 * much as the credentials of the upstreams. `cli/trust.ts` enforces both.
 */
export type Role =
  | 'plain'
  | { credentialOf: Destination }
  /** The setting decides the address of a destination, who receives prompts, or where conversations are stored. */
  | { addressOf: Addressed }

export type Addressed = Destination | 'prompts' | 'conversations'

export const groups = {
  server: 'Server',
  keys: 'Keys and accounts',
  models: 'Models',
  answers: 'Answers',
  upstream: 'Upstream',
  log: 'Log, metrics and traces',
}

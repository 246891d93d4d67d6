import type { CredentialScope } from './dialect.ts'

/** The sender of a request. */
export interface Caller {
  /**
   * Identifies the key of the request without revealing it: it is not derived from the key. Allowances, queues and
   * stored replies are bound to it, and it stays the same when the key is replaced.
   */
  readonly keyId: string
  /** The operator's name for it, for logs. */
  readonly label: string
  /** The routes that its key may use. */
  readonly scope: readonly Scope[]
  readonly policy: CallerPolicy
  /** Its key is one that the operator has made while the gateway runs, not one of the configuration. */
  readonly isIssued?: true
}

/** `operator`: the operator's routes. Otherwise the routes of an API. */
export type Scope = 'operator' | CredentialScope

/** What a caller may do. An absent member means no limit. */
export interface CallerPolicy {
  /** Names of models, with `*` for any run of characters. For the caller, no other models exist. */
  readonly models?: readonly string[] | undefined
  /** Ids of upstreams that its requests may go to. For the caller, no other upstreams exist. */
  readonly upstreams?: readonly string[] | undefined
  /** Ids of the dialects that it may use. */
  readonly dialects?: readonly string[] | undefined
  /** Addresses of MCP servers, as those of MCP_SERVERS; with an empty list, it may use none. */
  readonly mcpServers?: readonly string[] | undefined
  readonly requests?: Rate | undefined
  /** Prompts and replies together. */
  readonly tokens?: Rate | undefined
  /** Requests at the same time. */
  readonly parallel?: number | undefined
  /** Each call is paid for by budgets: see `Spending`. */
  readonly hasBudgets?: boolean | undefined
}

/** What a caller may use. */
export type CallerPermissions = Pick<CallerPolicy, 'models' | 'upstreams' | 'mcpServers'>

export interface Rate {
  readonly perMinute: number
  /** The setting that changes the rate, for errors: `RATE_LIMIT_RPM`. */
  readonly setting: string
}

/**
 * The id of the operator: of the master key, or of every caller if no key is needed. The two never occur together.
 * Replies stored before callers had ids belong to it as well.
 */
export const masterKeyId = 'master'

/** A caller without a key where keys are needed: on pages that are open to anyone. */
export const anonymous: Caller = { keyId: 'anonymous', label: 'anonymous', scope: [], policy: {} }

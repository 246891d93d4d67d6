import type { CredentialScope } from './dialect.ts'

/** Who sends a request. */
export interface Caller {
  /**
   * Names the key it came with and is not made of it, so that nothing leads back to the key. Allowances, queues and
   * stored replies go by it; it stays when the key is exchanged for another.
   */
  readonly keyId: string
  /** What the operator calls it, for logs. */
  readonly label: string
  /** What its key opens. */
  readonly scope: readonly Scope[]
  readonly policy: CallerPolicy
}

/** The routes of the operator, or those of an API. */
export type Scope = 'operator' | CredentialScope

/** What a caller may ask for; what is not set is not limited. */
export interface CallerPolicy {
  /** Ids of the dialects it may speak. */
  readonly dialects?: readonly string[] | undefined
  readonly requests?: Rate | undefined
  /** Prompts and replies together. */
  readonly tokens?: Rate | undefined
}

export interface Rate {
  readonly perMinute: number
  /** What the operator has to change for another rate: `RATE_LIMIT_RPM`. */
  readonly setting: string
}

/**
 * The operator's own: of the master key, and of whoever needs no key, for they are never there at the same time. What
 * was stored before callers had ids belongs to it, too.
 */
export const masterKeyId = 'master'

/** Whoever has shown no key where keys are needed: on pages that are open to anybody. */
export const anonymous: Caller = { keyId: 'anonymous', label: 'anonymous', scope: [], policy: {} }

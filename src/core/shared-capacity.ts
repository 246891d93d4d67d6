/** What several gateways exchange so that together they use no more of a credential than it allows. */
export interface SharedCapacity {
  /**
   * Reports what this gateway uses and wants of these credentials, and resolves with what it may use of each. A report
   * under a lease that has ended changes no limit, and is answered with a new lease. Errors: those of the database.
   */
  exchange(credentials: readonly string[], reports: readonly CapacityReport[]): Promise<CapacityShare[]>
  /**
   * Calls `changed` when another gateway has changed something that matters to this one. Returns a function that ends
   * the watch.
   */
  watch(changed: () => void): () => void
  /**
   * Tells the other gateways that a credential cools down. A longer cooldown that is already stored stays, unless
   * `isTriedNow`: the operator has asked for a test of the credential. Resolves with `false`, and stores nothing, if the
   * lease under which the refused call began has ended.
   */
  coolDown(report: CooldownReport, isTriedNow: boolean, lease?: ShareLease): Promise<boolean>
  /** Ends a cooldown, because a call has succeeded. `false` as in `coolDown`. */
  endCooldown(credential: string, model: string, lease?: ShareLease): Promise<boolean>
  /** All stored cooldowns, including those whose time is over and that no call has probed yet. */
  cooldowns(): Promise<CooldownReport[]>
  /**
   * As `watch`, for cooldowns. `isNew` if the connection to the database has just begun, because earlier notifications
   * are lost then.
   */
  watchCooldowns(changed: (isNew: boolean) => void): () => void
  /** Whether the database is known to be away. Then it cannot grant this gateway's share to others, either. */
  isAway(): boolean
  /** Returns these leases of these credentials. */
  leave(credentials: readonly string[], leases: readonly (ShareLease & { model: string })[]): Promise<void>
}

/** The time-limited right of a gateway to its share of a credential; the `Lease` of a pool is that of one call. */
export interface ShareLease {
  credential: string
  /** A fencing token: it grows with each grant of the credential. */
  fence: number
}

/** Stands for all credentials of an upstream whose model is overloaded. */
export const everyCredential = ''

/** Stands for all models of a credential together. */
export const wholeCredential = ''

/** What one gateway uses and wants of one credential, for one model or for all. */
export interface CapacityReport {
  /** A digest. */
  credential: string
  model: string
  inFlight: number
  /** Calls under way and waiting, by the id of their caller. */
  wants: Record<string, number>
  /** The limit until a refusal shows how many calls are allowed at a time; `undefined` for none. */
  startLimit: number | undefined
  /** After a refusal: the calls under way here that were not refused. */
  allowed?: number
  /** Calls that were answered while this gateway used its whole share. */
  answered: number
  /** The lease that the gateway has, as far as it knows: see `ShareLease`. */
  fence?: number | undefined
}

/** What a gateway may use of one credential, for one model or for all, until it asks again. */
export interface CapacityShare {
  credential: string
  model: string
  /** The limit for all gateways together; `undefined` while none is known. */
  limit: number | undefined
  /** Calls at a time here; `Infinity` while no limit is known. */
  share: number
  /** Slots of the share that gateways take turns with: each serves one call here and then goes to the next gateway. */
  rotatingSlots: number
  /** Calls under way in other gateways. */
  elsewhere: number
  /** How long ago the limit changed, in milliseconds; `undefined` before the first refusal. */
  limitedMs: number | undefined
  /** Gateways that use the credential. */
  gateways: number
  /** See `ShareLease`; `undefined` where there was nothing to grant. */
  fence: number | undefined
  /** Whether the lease that the report named had ended. */
  isStale: boolean
}

/** A cooldown of one credential, or of all, for one model or for all. */
export interface CooldownReport {
  credential: string
  model: string
  isSuspended: boolean
  consecutiveFailures: number
  /** What is left of it; 0 or less if it is over. */
  forMs: number
  /** The upstream has named the end. */
  hasDate: boolean
  /** Of the refusal: see `GatewayError`. `refusal` is the vendor's own code. */
  error: {
    kind: string
    message: string
    code: string
    retryAfterMs?: number | undefined
    status: number
    refusal: string
  }
}

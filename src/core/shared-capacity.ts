/** What several gateways exchange so that together they ask no more of a credential than it allows. */
export interface SharedCapacity {
  /**
   * Reports what this gateway uses and wants of these credentials, and resolves with what it may use of each. Errors: those
   * of the database.
   */
  exchange(credentials: readonly string[], reports: readonly CapacityReport[]): Promise<CapacityShare[]>
  /** Calls `changed` when another gateway has changed something that matters to this one. Returns what ends that. */
  watch(changed: () => void): () => void
  /** Gives everything back. */
  leave(credentials: readonly string[]): Promise<void>
}

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
  /** Calls at a time that are tried before a refusal has taught how many are allowed; `undefined` for any number. */
  startLimit: number | undefined
  /** After a refusal: the calls under way here that were not refused. */
  allowed?: number
  /** Calls that were answered while this gateway used its whole share. */
  answered: number
}

/** What a gateway may use of one credential, for one model or for all, until it asks again. */
export interface CapacityShare {
  credential: string
  model: string
  /** Of all gateways together; `undefined` while none is known. */
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
}

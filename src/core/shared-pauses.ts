/** The credentials of an upstream that the operator has paused, in all gateways. Credentials go by their ids. */
export interface SharedPauses {
  isPaused(credential: string): boolean
  /**
   * Holds here at once. Resolves once it is stored, or could not be: then it is stored when the database is back. Never
   * rejects.
   */
  set(credential: string, isPaused: boolean): Promise<void>
  /** Calls `changed` when another gateway has paused or resumed something. Returns a function that ends the watch. */
  watch(changed: () => void): () => void
}

/** What several gateways exchange so that together they grant a caller no more than its limits. */
export interface SharedAllowances {
  /**
   * Reports what callers have used here and requests more. Resolves with an answer for each report, in their order.
   * Errors: those of the database; what was requested may have been granted nevertheless.
   */
  exchange(reports: readonly AllowanceReport[]): Promise<AllowanceAnswer[]>
  /** Gateways that are alive, this one included, as last known. */
  gateways(): number
}

/** What one gateway reports and requests for one key. A limit of `undefined` is none. */
export interface AllowanceReport {
  /** Id of the caller's key. */
  key: string
  requestsPerMinute: number | undefined
  tokensPerMinute: number | undefined
  parallel: number | undefined
  /** Requests under way here. */
  running: number
  /** Requests that want to begin. */
  wanted: number
  /** Requests that have begun without being granted, since the last report. */
  requests: number
  /** Tokens of replies that have ended since the last report. */
  tokens: number
  /** Increases each time this gateway begins to count for the key anew. */
  since: number
  /**
   * The sums over all answered reports since then, granted requests included. They show how much of `requests` and
   * `tokens` is charged already, so that a report whose answer was lost is not charged twice.
   */
  requestsBefore: number
  tokensBefore: number
}

export interface AllowanceAnswer {
  /** How many of `wanted` may begin. */
  granted: number
  /** Requests under way in other gateways. */
  elsewhere: number
  /** What is left of this minute after it; `undefined` for no limit. The tokens may be negative. */
  requestsLeft: number | undefined
  tokensLeft: number | undefined
}

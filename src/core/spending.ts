import type { MeteredCall } from './call-meter.ts'
import type { Model } from './upstream.ts'

/** The smallest useful reply, in tokens, unless its client asks for less. */
export const leastReplyTokens = 256

/** What a caller with budgets may spend on one request. */
export interface Spending {
  /**
   * Sets aside what a call of an upstream may cost at most. Resolves with how long its reply may be.
   *
   * Errors: `quota-exhausted` where a budget is used up; `rate-limited` where running requests hold what is left;
   * `forbidden` for a model whose price is not known; `overloaded` where nobody can tell.
   */
  reserve(call: SpendingCall): Promise<Reservation>
}

/** Units: tokens. */
export interface SpendingCall {
  model: Model
  /** The upper bound of the prompt's tokens, which is reserved, and the best estimate of them. */
  prompt: { most: number; likely: number }
  /** Nobody knows how long the prompt is, so the most is the whole context window of the model. */
  isOpenEnded?: boolean
  /** `max_tokens` of the request. */
  maxTokens: number | undefined
  /** The most that a reply with this limit may have. */
  longestReply: (maxTokens: number) => number
  /**
   * The gateway ends the reply at the limit by its own count, because the upstream takes no limit. Such an upstream sends no
   * bill, so that usage above the reservation is not charged.
   */
  isEndedHere?: boolean
  /** Says what the request has cost, once it is over. */
  meter: Pick<MeteredCall, 'usage'>
}

export interface Reservation {
  /**
   * The limit for the reply; `undefined` where the upstream ends it within what the budgets pay for, by the limit of the
   * request or the model.
   */
  maxTokens: number | undefined
  /** The call is over. Resolves when its cost is stored; never rejects. */
  settle(): Promise<void>
}

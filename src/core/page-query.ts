/** One page of a list whose newest entry comes first. */
export interface PageQuery {
  limit: number
  /** The id of the last entry of the page before. */
  after?: string | undefined
  /** The id of the first entry of the page behind. */
  before?: string | undefined
}

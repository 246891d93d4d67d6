/** One page of a list whose newest entry comes first. */
export interface PageQuery {
  limit: number
  /** The id of the last entry of the previous page. */
  after?: string | undefined
  /** The id of the first entry of the next page. */
  before?: string | undefined
}

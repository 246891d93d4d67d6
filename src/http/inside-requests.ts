import type { Caller } from '../core/caller.ts'
import type { RequestRecord } from '../observe/record.ts'
import type { RecentReplies } from './recent-replies.ts'

/** A request that the gateway makes of itself, on no connection. */
export interface InsideRequest {
  /** Why it is made, for the log: `websocket`. */
  note: string
  /** Absent where the headers say who asks, as on a connection. */
  caller?: Caller
  /** Nobody waits for the reply: requests that somebody waits for come first. */
  isBackground?: true
  recentReplies?: RecentReplies
  /** Called with the record of the request before it is answered. */
  begun?: (record: RequestRecord) => void
  /** Called in place of closing a connection, if the reply has to be cut without an end. */
  cut?: () => void
}

/** Answers a request that comes from the gateway itself, as the app answers those that come from outside. */
export type AskInside = (request: Request, inside: InsideRequest) => Promise<Response>

import type { Caller } from '../core/caller.ts'
import type { RequestRecord } from '../observe/record.ts'
import type { RecentReplies } from './recent-replies.ts'

/** A request that the gateway sends to its own routes, without a connection. */
export interface InternalRequest {
  /** Why it is made, for the log, such as `websocket`. */
  note: string
  /** Absent where the headers hold the caller's key, as they do on a connection. */
  caller?: Caller
  /** No client waits for the reply, so requests with a waiting client come first. */
  isBackground?: true
  recentReplies?: RecentReplies
  /** Called with the record of the request before it is answered. */
  begun?: (record: RequestRecord) => void
  /** Called where a connection would be closed: the reply is cut without an end. */
  cut?: () => void
}

/** Sends a request of the gateway itself through the same routes as a client's. */
export type SendInternal = (request: Request, internal: InternalRequest) => Promise<Response>

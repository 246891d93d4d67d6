import type { GatewayError } from './errors.ts'
import type { Reply } from './events.ts'
import type { ReplyHead } from './reply-encoder.ts'

/** How a dialect refers to stored replies, and what it stores. */
export interface StoredConversation<Options> {
  /** Ids of the stored replies that `resolve` needs for the body, each once. */
  references(body: unknown): string[]
  /** The body with its references replaced by what they refer to. Errors: `invalid-request` if `find` finds nothing. */
  resolve(body: unknown, find: FindStored): unknown
  /** The error for an id without a stored reply: `not-found`. */
  notFound(id: string): GatewayError
  /** Whether the client wants the reply stored. */
  isWanted(options: Options): boolean
  /** What to store of a complete reply; `undefined` if clients cannot refer to it. */
  save(head: ReplyHead, reply: Reply, options: Options): StoredResponse | undefined
  /** Goes with routes that serve `conversation`. */
  conversations?: ConversationFormat<Options>
  /** Only if replies can be written while no client waits. */
  background?: BackgroundFormat<Options>
}

export type FindStored = (replyId: string) => StoredResponse | undefined

/** A stored reply, in the wire format of its dialect. */
export interface StoredResponse {
  id: string
  reply: Record<string, unknown>
  /** The conversation that the reply answered, from the beginning. */
  input: Record<string, unknown>[]
}

/** The same as JSON, for one whose JSON takes long to write. */
export interface StoredResponseJson {
  reply: string
  input: string
}

/**
 * Bytes of what is stored as one: it is read and written as a whole, which takes about 5 ms for each million, and no other
 * request is answered meanwhile.
 */
export const mostStoredBytes = 8_000_000

/** Whether the texts and names in a value have more bytes together. It is read only so far as to know. */
export function isLargerThan(most: number, value: unknown): boolean {
  return bytesOf(value, most) > most
}

function bytesOf(value: unknown, most: number): number {
  if (typeof value === 'string') return value.length > most ? value.length : Buffer.byteLength(value)
  if (typeof value !== 'object' || value === null) return 1
  let sum = 0
  for (const [name, member] of Object.entries(value)) {
    sum += name.length + bytesOf(member, most - sum)
    if (sum > most) break
  }
  return sum
}

/** How a dialect keeps conversations on the server, to which each reply is added. */
export interface ConversationFormat<Options = unknown> {
  /** Prefix of the ids of conversations: `conv_`. */
  idPrefix: string
  begin(newId: (prefix: string) => string, nowSeconds: number): StoredResponse
  notFound(id: string): GatewayError
  /** The id of the conversation that a reply belongs to, and the items that the reply adds to it. */
  additions(head: ReplyHead, reply: Reply, options: Options): { id: string; items: StoredResponse['input'] } | undefined
}

/** How a reply that is written in the background looks before its end. */
export interface BackgroundFormat<Options = unknown> {
  /** The reply before its first event. */
  queued(head: ReplyHead, options: Options): StoredResponse
  /** The reply after an event of its stream, whose `data` this is. */
  update(reply: StoredResponse['reply'], data: string): StoredResponse['reply']
  /** The reply after its client has cancelled it. */
  cancelled(reply: StoredResponse['reply']): StoredResponse['reply']
  /**
   * A stored reply as the client sees it. An unfinished one has failed if it is so old that its gateway must have
   * stopped.
   */
  failIfAbandoned(reply: StoredResponse['reply'], nowSeconds: number): StoredResponse['reply']
}

/**
 * How a dialect is spoken over a WebSocket: a message that asks for a reply is the body of a request to the same path for a
 * streamed reply, and each event of the stream becomes a message.
 */
export interface SocketFormat {
  /**
   * Requests of the same lane are answered one after another; those of different lanes run at the same time. Those that
   * name none are a lane, too.
   * Errors: `invalid-request`.
   */
  laneOf(message: unknown): string | undefined
  /** The body of a request for a streamed reply. Errors: `invalid-request` for a message that asks for no reply. */
  read(message: unknown): object
  /** The message for an event of the stream, whose `data` this is. */
  encodeEvent(data: string, lane: string | undefined): string
  /** The message for a refusal, which has the status, body and headers of the same refusal over HTTP. */
  encodeRefusal(status: number, body: object, headers: Headers, lane: string | undefined): string
}

import { invalidField } from '../../core/errors.ts'
import type { SocketFormat } from '../../core/socket-format.ts'
import { fieldsOf } from '../openai/json-fields.ts'

/** The name of a lane is repeated in each of its events. */
const longestLane = 256

/**
 * The messages of a WebSocket. Source: `ResponsesClientEvent` and `ResponsesServerEvent` of SDK 7.59. Clients continue a
 * response by `previous_response_id` with `store: false`, too, as long as the connection lasts.
 */
export const socket: SocketFormat = {
  laneOf(message) {
    const { stream_id: lane } = fieldsOf(message)
    if (lane === undefined || lane === null) return undefined
    if (typeof lane !== 'string') throw invalidField('stream_id', 'expected a string.')
    if (lane.length > longestLane)
      throw invalidField('stream_id', `expected at most ${longestLane} characters, got ${lane.length}`)
    return lane || undefined
  },
  read(message) {
    const { type, stream_id: _, ...body } = fieldsOf(message)
    if (type !== 'response.create')
      throw invalidField('type', 'expected response.create; no other event is taken here.')
    if (body.background === true) throw invalidField('background', 'a WebSocket is answered while the client waits.')
    // Every reply is streamed here, so it does not matter which of the two is asked for.
    return { ...body, stream: typeof body.stream === 'boolean' ? true : (body.stream ?? true) }
  },
  encodeEvent: (data, lane) => (lane === undefined ? data : `{"stream_id":${JSON.stringify(lane)},${data.slice(1)}`),
  encodeRefusal(status, body, headers, lane) {
    const named = ['retry-after', 'x-request-id', 'x-should-retry'].flatMap((name) => {
      const value = headers.get(name)
      return value === null ? [] : [[name, value]]
    })
    const error = { ...fieldsOf(fieldsOf(body).error), headers: Object.fromEntries(named) }
    return JSON.stringify({ type: 'error', ...(lane === undefined ? {} : { stream_id: lane }), status, error })
  },
}

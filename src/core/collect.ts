import type { GatewayError } from './errors.ts'
import type { Reply, ReplyBlock, StreamEvent } from './events.ts'

/** Collects the events of a stream into a whole reply. */
export interface Collector {
  push(event: StreamEvent): void
  /** The reply once the stream has ended well, the error once it has failed, otherwise `undefined`. */
  result(): Reply | GatewayError | undefined
}

export function collector(): Collector {
  const blocks: ReplyBlock[] = []
  let result: Reply | GatewayError | undefined
  return {
    push(event) {
      switch (event.type) {
        case 'text-end':
        case 'reasoning-end':
          blocks.push({ type: event.type === 'text-end' ? 'text' : 'reasoning', text: event.text })
          break
        case 'tool-call-end':
          blocks.push({ type: 'tool-call', id: event.id, name: event.name, arguments: event.arguments })
          break
        case 'server-tool':
          blocks.push({ type: 'server-tool', tool: event.tool })
          break
        case 'mcp-end':
          blocks.push({ type: 'mcp', item: event.item })
          break
        case 'message-end': {
          const { type: _, ...end } = event
          result = { blocks, ...end }
          break
        }
        case 'error':
          result = event.error
          break
        case 'message-start':
        case 'text-start':
        case 'text-delta':
        case 'reasoning-start':
        case 'reasoning-delta':
        case 'tool-call-start':
        case 'tool-call-delta':
        case 'mcp-start':
          break // the ends carry the whole text
        default:
          event satisfies never
      }
    },
    result: () => result,
  }
}

import type { Reply, StreamEvent } from '../../core/events.ts'
import type { Encoder, TextWriter } from '../../core/reply-encoder.ts'
import { jsonEscape } from '../../core/sse.ts'
import { errorBody } from './errors.ts'
import { reasoningSeparator } from './reply.ts'

/** The stream is one JSON object a line. */
export const stream = {
  contentType: 'application/x-ndjson',
  // Clients parse every line, so an empty one would be an error. Before the next object, white space is part of its line.
  keepAlive: ' ',
}

/** The differences between the lines of the two APIs. */
export interface LineFormat {
  /** A line for each piece of text. */
  writeText: TextWriter['write']
  /** A line for each piece of reasoning. */
  writeReasoning: TextWriter['write']
  /** The line for a complete call; `undefined` for a call that cannot be sent. Absent where no tools are offered. */
  toolCall?(call: ToolCallEnd): string | undefined
  /** Called with the whole text of each block. */
  onTextEnd?(text: string): void
  /** The object of the last line. */
  last(end: MessageEnd): object
}

export type ToolCallEnd = Extract<StreamEvent, { type: 'tool-call-end' }>
type MessageEnd = Pick<Reply, 'reason' | 'usage'>

/**
 * Encodes stream events as lines: text and reasoning in pieces, each call whole, and a last line with `done`. A stream that
 * fails ends with an error in place of that line.
 */
export function lineEncoder(format: LineFormat): Encoder {
  const text: TextWriter = { kind: 'text', write: format.writeText, account() {} }
  const reasoning: TextWriter = { kind: 'reasoning', write: format.writeReasoning, account() {} }
  // Writes the next piece of the open block without an event.
  let writer: TextWriter | undefined
  let reasoningBlocks = 0
  // Written before the next piece of reasoning, to separate its block from the one before.
  let gap = ''

  return {
    push(event, out) {
      switch (event.type) {
        case 'text-delta':
          out.push(format.writeText([jsonEscape(event.text)]))
          writer = text
          break
        case 'reasoning-start':
          if (reasoningBlocks++ > 0) gap = reasoningSeparator
          break
        case 'reasoning-delta':
          out.push(format.writeReasoning([jsonEscape(gap + event.text)]))
          gap = ''
          writer = reasoning
          break
        case 'text-end':
          format.onTextEnd?.(event.text)
          break
        case 'tool-call-end': {
          const call = format.toolCall?.(event)
          if (call !== undefined) out.push(call)
          break
        }
        case 'message-end':
          out.push(line(format.last(event)))
          break
        case 'error':
          out.push(line(errorBody(event.error)))
          break
        case 'message-start':
        case 'text-start':
        case 'reasoning-end':
        case 'tool-call-start':
        case 'tool-call-delta':
        case 'server-tool':
        case 'mcp-start':
        case 'mcp-end':
          break
        default:
          event satisfies never
      }
    },
    end() {}, // the last event of the stream has written everything
    textWriter: () => writer,
    keepAlive: format.writeText(['']),
  }
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`
}

import { blockFreeText } from '../../core/block-free-text.ts'
import type { Reply, StreamEvent } from '../../core/events.ts'
import type { Encoder, TextWriter } from '../../core/reply-encoder.ts'
import { errorBody } from './errors.ts'
import { reasoningSeparator } from './reply.ts'

/** The stream is one JSON object a line. */
export const stream = {
  contentType: 'application/x-ndjson',
  // Clients parse every line, so an empty line would be an error. White space before an object is part of that object's
  // line.
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
  const pieces = blockFreeText({
    text: { kind: 'text', write: format.writeText, account() {} },
    reasoning: { kind: 'reasoning', write: format.writeReasoning, account() {} },
    separator: reasoningSeparator,
  })

  return {
    push(event, out) {
      switch (event.type) {
        case 'reasoning-start':
          pieces.startReasoning()
          break
        case 'text-delta':
        case 'reasoning-delta':
          pieces.write(event, out)
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
    textWriter: pieces.writer,
    keepAlive: format.writeText(['']),
  }
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`
}

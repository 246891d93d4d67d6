import type { Reply } from '../../../core/events.ts'
import type { Encoder, ReplyHead } from '../../../core/reply-encoder.ts'
import { asciiJson, templateWriter } from '../../../core/sse.ts'
import { errorBody } from '../errors.ts'
import { ending, identityOf, line, textLines, textOf, thinkingOf } from '../reply.ts'
import { type Exchange, encodeContext } from './context.ts'

export interface GenerateOptions {
  /** The conversation before this prompt. */
  said: Exchange
  prompt: string
}

/**
 * Encodes stream events as lines: text and reasoning in pieces, and a last line with `done` and the context for the next
 * prompt. A stream that fails ends with an error in place of that line.
 */
export function encoder(head: ReplyHead, options: GenerateOptions): Encoder {
  const identity = asciiJson(identityOf(head)).slice(0, -1)
  const after = '","done":false}\n'
  const writeText = templateWriter(`${identity},"response":"`, after)
  const lines = textLines(writeText, templateWriter(`${identity},"response":"","thinking":"`, after))
  let response = ''

  return {
    push(event, out) {
      switch (event.type) {
        case 'text-delta':
        case 'reasoning-start':
        case 'reasoning-delta':
          lines.push(event, out)
          break
        case 'text-end':
          response += event.text
          break
        case 'message-end':
          out.push(
            line({
              ...identityOf(head),
              response: '',
              ...ending(head, event.reason, event.usage),
              context: contextOf(options, response),
            }),
          )
          break
        case 'error':
          out.push(line(errorBody(event.error)))
          break
        case 'message-start':
        case 'text-start':
        case 'reasoning-end':
        case 'tool-call-start':
        case 'tool-call-delta':
        case 'tool-call-end':
        case 'server-tool':
          break // no tools are offered here
        default:
          event satisfies never
      }
    },
    end() {}, // the last event of the stream has written everything
    textWriter: lines.writer,
    keepAlive: writeText(['']),
  }
}

export function encodeReply(head: ReplyHead, reply: Reply, options: GenerateOptions): object {
  const response = textOf(reply)
  return {
    ...identityOf(head),
    response,
    ...thinkingOf(reply),
    ...ending(head, reply.reason, reply.usage),
    context: contextOf(options, response),
  }
}

function contextOf({ said, prompt }: GenerateOptions, response: string): number[] | undefined {
  return encodeContext({ ...said, turns: [...said.turns, { prompt, response }] })
}

import type { Encoder, ReplyHead, TextWriter } from '../../../core/dialect.ts'
import type { Reply } from '../../../core/events.ts'
import { asciiJson, jsonEscape, templateWriter } from '../../../core/sse.ts'
import { errorBody } from '../errors.ts'
import { ending, identityOf, line, passing, reasoningSeparator } from '../reply.ts'
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
  const text = passing('text', templateWriter(`${identity},"response":"`, after))
  const reasoning = passing('reasoning', templateWriter(`${identity},"response":"","thinking":"`, after))
  let writer: TextWriter | undefined
  let response = ''
  let reasoningParts = 0
  let gap = ''

  return {
    push(event, out) {
      switch (event.type) {
        case 'text-delta':
          out.push(text.write([jsonEscape(event.text)]))
          writer = text
          break
        case 'text-end':
          response += event.text
          break
        case 'reasoning-start':
          if (reasoningParts++ > 0) gap = reasoningSeparator
          break
        case 'reasoning-delta':
          out.push(reasoning.write([jsonEscape(gap + event.text)]))
          gap = ''
          writer = reasoning
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
    textWriter: () => writer,
    keepAlive: text.write(['']),
  }
}

export function encodeReply(head: ReplyHead, reply: Reply, options: GenerateOptions): object {
  const textsOf = (type: 'text' | 'reasoning') =>
    reply.blocks.flatMap((block) => (block.type === type ? [block.text] : []))
  const response = textsOf('text').join('')
  const thinking = textsOf('reasoning').join(reasoningSeparator)
  return {
    ...identityOf(head),
    response,
    ...(thinking === '' ? {} : { thinking }),
    ...ending(head, reply.reason, reply.usage),
    context: contextOf(options, response),
  }
}

function contextOf({ said, prompt }: GenerateOptions, response: string): number[] {
  return encodeContext({ ...said, turns: [...said.turns, { prompt, response }] })
}

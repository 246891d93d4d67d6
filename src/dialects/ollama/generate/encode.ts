import type { Reply } from '../../../core/events.ts'
import type { Encoder, ReplyHead } from '../../../core/reply-encoder.ts'
import { asciiJson, templateWriter } from '../../../core/sse.ts'
import { lineEncoder } from '../line-encoder.ts'
import { ending, identityOf, type LoadReason, textOf, thinkingOf } from '../reply.ts'
import { type Exchange, encodeContext } from './context.ts'

export interface GenerateOptions {
  /** The conversation before this prompt. */
  exchange: Exchange
  prompt: string
  /** Present for a request without a prompt. */
  loadReason: LoadReason | undefined
}

/** The last line has the context for the next prompt. */
export function encoder(head: ReplyHead, options: GenerateOptions): Encoder {
  const identity = asciiJson(identityOf(head)).slice(0, -1)
  const after = '","done":false}\n'
  let response = ''

  return lineEncoder({
    writeText: templateWriter(`${identity},"response":"`, after),
    writeReasoning: templateWriter(`${identity},"response":"","thinking":"`, after),
    onTextEnd(text) {
      response += text
    },
    last: ({ reason, usage }) => ({
      ...identityOf(head),
      response: '',
      ...ending(head, reason, usage),
      context: contextOf(options, response),
    }),
  })
}

export function encodeReply(head: ReplyHead, reply: Reply, options: GenerateOptions): object {
  const response = textOf(reply)
  const { loadReason } = options
  return {
    ...identityOf(head),
    response,
    ...thinkingOf(reply),
    ...ending(head, reply.reason, reply.usage, loadReason),
    ...(loadReason === undefined ? { context: contextOf(options, response) } : {}),
  }
}

function contextOf({ exchange, prompt }: GenerateOptions, response: string): number[] | undefined {
  return encodeContext({ ...exchange, turns: [...exchange.turns, { prompt, response }] })
}

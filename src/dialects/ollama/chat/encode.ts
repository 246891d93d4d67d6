import type { Reply } from '../../../core/events.ts'
import { isRecord, parseJson } from '../../../core/json.ts'
import type { Encoder, ReplyHead } from '../../../core/reply-encoder.ts'
import { asciiJson, templateWriter } from '../../../core/sse.ts'
import { errorBody } from '../errors.ts'
import { ending, identityOf, line, textLines, textOf, thinkingOf } from '../reply.ts'

/**
 * Encodes stream events as lines: text and reasoning in pieces, each call whole, and a last line with `done`. A stream that
 * fails ends with an error in place of that line.
 */
export function encoder(head: ReplyHead): Encoder {
  // Each delta costs one JSON.stringify of its text, because the text around it is the same for the whole stream.
  const before = `${asciiJson(identityOf(head)).slice(0, -1)},"message":{"role":"assistant","content":"`
  const after = '},"done":false}\n'
  const lines = textLines(templateWriter(before, `"${after}`), templateWriter(`${before}","thinking":"`, `"${after}`))
  let calls = 0

  return {
    push(event, out) {
      switch (event.type) {
        case 'text-delta':
        case 'reasoning-start':
        case 'reasoning-delta':
          lines.push(event, out)
          break
        case 'tool-call-end': {
          const args = argumentsLine(event.arguments)
          if (args === undefined) break
          const called = `"function":{"index":${calls++},"name":${JSON.stringify(event.name)},"arguments":${args}}`
          out.push(`${before}","tool_calls":[{"id":${JSON.stringify(event.id)},${called}}]${after}`)
          break
        }
        case 'message-end':
          out.push(
            line({
              ...identityOf(head),
              message: { role: 'assistant', content: '' },
              ...ending(head, event.reason, event.usage),
            }),
          )
          break
        case 'error':
          out.push(line(errorBody(event.error)))
          break
        case 'message-start':
        case 'text-start':
        case 'text-end':
        case 'reasoning-end':
        case 'tool-call-start':
        case 'tool-call-delta':
        case 'server-tool':
          break
        default:
          event satisfies never
      }
    },
    end() {}, // the last event of the stream has written everything
    textWriter: lines.writer,
    keepAlive: `${before}"${after}`,
  }
}

export function encodeReply(head: ReplyHead, reply: Reply): object {
  const calls = reply.blocks.flatMap((block) => {
    const args = block.type === 'tool-call' ? parseJson(block.arguments) : undefined
    return block.type === 'tool-call' && isRecord(args) ? [{ id: block.id, name: block.name, arguments: args }] : []
  })
  return {
    ...identityOf(head),
    message: {
      role: 'assistant',
      content: textOf(reply),
      ...thinkingOf(reply),
      ...(calls.length === 0
        ? {}
        : { tool_calls: calls.map(({ id, ...called }, index) => ({ id, function: { index, ...called } })) }),
    },
    ...ending(head, reply.reason, reply.usage),
  }
}

/**
 * The arguments as part of a line, with numbers and order as the model wrote them: line breaks are only white space in them.
 * `undefined` for those of a call that was cut, since they are sent as an object or not at all.
 */
function argumentsLine(args: string): string | undefined {
  return isRecord(parseJson(args)) ? args.replaceAll(/[\r\n]+/g, ' ') : undefined
}

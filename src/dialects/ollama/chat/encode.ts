import type { Reply } from '../../../core/events.ts'
import { isRecord, parseJson } from '../../../core/json.ts'
import type { Encoder, ReplyHead } from '../../../core/reply-encoder.ts'
import { asciiJson, templateWriter } from '../../../core/sse.ts'
import { lineEncoder, type ToolCallEnd } from '../line-encoder.ts'
import { ending, identityOf, type LoadReason, textOf, thinkingOf } from '../reply.ts'

/** What a request without messages does; `null` for any other. */
export type ChatOptions = LoadReason | null

export function encoder(head: ReplyHead): Encoder {
  // Each delta costs one JSON.stringify of its text, because the text around it is the same for the whole stream.
  const before = `${asciiJson(identityOf(head)).slice(0, -1)},"message":{"role":"assistant","content":"`
  const after = '},"done":false}\n'
  let calls = 0

  return lineEncoder({
    writeText: templateWriter(before, `"${after}`),
    writeReasoning: templateWriter(`${before}","thinking":"`, `"${after}`),
    toolCall(call) {
      const encoded = encodeCall(call, calls)
      if (encoded === undefined) return undefined
      calls++
      return `${before}","tool_calls":[${encoded}]${after}`
    },
    last: ({ reason, usage }) => ({
      ...identityOf(head),
      message: { role: 'assistant', content: '' },
      ...ending(head, reason, usage),
    }),
  })
}

export function encodeReply(head: ReplyHead, reply: Reply, loadReason: ChatOptions): object {
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
    ...ending(head, reply.reason, reply.usage, loadReason),
  }
}

/**
 * A call with its arguments as the model wrote them, with the same numbers and order: line breaks are only white space in
 * them. `undefined` for a call that was cut, because arguments are sent as an object or not at all.
 */
function encodeCall({ id, name, arguments: args }: ToolCallEnd, index: number): string | undefined {
  if (!isRecord(parseJson(args))) return undefined
  const called = `"index":${index},"name":${JSON.stringify(name)},"arguments":${args.replaceAll(/[\r\n]+/g, ' ')}`
  return `{"id":${JSON.stringify(id)},"function":{${called}}}`
}

import type { Decoded } from '../../../core/dialect.ts'
import { invalidField } from '../../../core/errors.ts'
import type { Tool } from '../../../core/request.ts'
import { listed } from '../../openai/conversation-entries.ts'
import { decodeSettings } from '../options.ts'
import { decodeConversation } from './conversation.ts'
import type { ChatOptions } from './encode.ts'
import type { ChatBody } from './schema.ts'

/**
 * Errors: `invalid-request` for a format, for messages that are all empty, and for parts of the newest message that cannot
 * be read.
 */
export function decode(body: ChatBody): Decoded<ChatOptions> {
  const { sampling, reasoning, output, stream, loadReason, ignored } = decodeSettings(body)
  const conversation = decodeConversation(body.messages)
  const isEmpty = listed(body.messages).length === 0
  if (!isEmpty && conversation.messages.length === 0) throw invalidField('messages', 'all of them are empty.')
  const tools = decodeTools(body.tools)
  return {
    request: {
      model: body.model,
      messages: conversation.messages,
      tools: tools.tools,
      toolChoice: 'auto',
      parallelToolCalls: true,
      sampling,
      reasoning,
      output,
      search: false,
      ignored: [...ignored, ...conversation.ignored, ...tools.ignored],
    },
    options: isEmpty ? loadReason : null,
    // Ollama answers a request that only loads the model with one object, also where a stream is wanted.
    stream: stream && !isEmpty,
    isEmpty: isEmpty || undefined,
  }
}

function decodeTools(declared: ChatBody['tools']): { tools: Tool[]; ignored: string[] } {
  const tools: Tool[] = []
  const ignored: string[] = []
  for (const [index, { type, function: signature }] of (declared ?? []).entries()) {
    if (!signature) ignored.push(`tools.${index} (${type ?? 'no type'})`)
    else {
      const { name, description, parameters } = signature
      // A function without a schema has no arguments.
      tools.push({ name, description: description ?? '', parameters: parameters ?? { type: 'object', properties: {} } })
    }
  }
  return { tools, ignored }
}

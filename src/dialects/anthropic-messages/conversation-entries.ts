import { readEntries } from '../openai/conversation-entries.ts'
import { type Fields, textOr } from '../openai/json-fields.ts'
import { type PlacedBlock, readBlocks } from './block-schema.ts'

/** One message as the client sent it. */
export interface MessageEntry {
  role: 'user' | 'assistant' | 'system' | 'tool' | 'function'
  /** Its index in `messages`. */
  index: number
  blocks: PlacedBlock[]
  /** All other fields. */
  fields: Fields
}

/** The messages of a body, in any form: see `readEntries`. A block in place of a message is a message of its role. */
export function readMessages(messages: unknown, onIgnored: (name: string) => void): MessageEntry[] {
  return readEntries(messages, 'messages', onIgnored).map(({ fields, index }) => {
    const path = `messages.${index}`
    if (typeof fields.role === 'string')
      return {
        role: roleOf(fields.role),
        index,
        blocks: readBlocks(fields.content, `${path}.content`, onIgnored),
        fields,
      }
    const role = byAssistant.test(textOr(fields.type)) ? 'assistant' : 'user'
    return { role, index, blocks: readBlocks(fields, path, onIgnored), fields: {} }
  })
}

const byAssistant = /_use$|_call$|^(?:thinking|reasoning|redacted_thinking|output_text|refusal)$/

function roleOf(role: string): MessageEntry['role'] {
  switch (role) {
    case 'assistant':
    case 'system':
    case 'tool':
    case 'function':
      return role
    case 'developer':
      return 'system'
    default:
      return 'user'
  }
}

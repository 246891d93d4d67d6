import { readEntries } from '../openai/entries.ts'
import { type Fields, textOr } from '../openai/fields.ts'
import { type PlacedBlock, readBlocks } from './blocks.ts'

/** One message as the client sent it, in the words of this API. */
export interface Turn {
  role: 'user' | 'assistant' | 'system' | 'tool' | 'function'
  /** Its index in `messages`. */
  index: number
  blocks: PlacedBlock[]
  /** Everything else that stands in it. */
  fields: Fields
}

/** The messages of a body, whoever made them: see `readEntries`. A block in place of a message is one of its speaker. */
export function readTurns(messages: unknown, ignore: (name: string) => void): Turn[] {
  return readEntries(messages, 'messages', ignore).map(({ fields, index }) => {
    const path = `messages.${index}`
    if (typeof fields.role === 'string')
      return { role: roleOf(fields.role), index, blocks: readBlocks(fields.content, `${path}.content`, ignore), fields }
    const role = byAssistant.test(textOr(fields.type)) ? 'assistant' : 'user'
    return { role, index, blocks: readBlocks(fields, path, ignore), fields: {} }
  })
}

const byAssistant = /_use$|_call$|^(?:thinking|reasoning|redacted_thinking|output_text|refusal)$/

function roleOf(role: string): Turn['role'] {
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

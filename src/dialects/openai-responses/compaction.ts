import { decodeEchoed, encodeEchoed } from '../../core/echoed-text.ts'
import type { Message } from '../../core/request.ts'
import { textPart } from '../openai/content.ts'
import { type Fields, textOr } from '../openai/json-fields.ts'
import type { ItemBody } from './schema.ts'

/** A whole conversation is compacted here; elsewhere an item `compaction_trigger` asks for it. */
export const compactPath = '/responses/compact'

/** What the model is told to do with the conversation before it. */
export const compactionRequest: Message = {
  role: 'user',
  parts: textPart(
    [
      'The conversation above is about to be replaced by a summary, and you will go on from that summary alone.',
      'Write it now. Keep whatever the next steps need: what the user wants and has ruled out, decisions and their',
      'reasons, files, names, commands, numbers and errors word for word, what is done, what is under way, and what is',
      'to be done next. Leave out greetings and dead ends. Answer with the summary only, and call no tools.',
    ].join(' '),
  ),
}

/** Codex also names the item `compaction_summary`. */
export function isCompaction({ type }: Fields): boolean {
  return type === 'compaction' || type === 'compaction_summary'
}

/** The item that a client sends in place of the conversation; clients may not read its text, but have to return it. */
export function compactionItem(id: string, summary: string): Fields & { id: string } {
  return { id, type: 'compaction', encrypted_content: encodeEchoed(summary) }
}

/** The summary as the model reads it; `undefined` for an item of another server, which no one else can read. */
export function summarised(item: Fields): Message | undefined {
  const summary = decodeEchoed(textOr(item.encrypted_content))
  if (summary === undefined) return undefined
  return { role: 'user', parts: textPart(`[The conversation so far, summarised:]\n\n${summary}`) }
}

/** What OpenAI keeps as it was: the messages of the user. */
export function keptItems(items: readonly ItemBody[]): ItemBody[] {
  return items.filter(({ type, role }) => (type ?? 'message') === 'message' && role === 'user')
}

import { parseJson } from '../../core/json.ts'
import type { MessageBuffer } from './message-buffer.ts'
import type { MessagePart } from './schema.ts'

/** Applies a frame to the text of its message: it replaces all of the text, or the end of it, or appends to it. */
export function applyEdit(
  buffer: Pick<MessageBuffer, 'rewind' | 'append'>,
  { phase, content, edit_index, edit_content, delta_content }: MessagePart,
): void {
  const isReasoning = phase === 'thinking'
  if (content) {
    buffer.rewind(0)
    buffer.append(content, isReasoning)
    return
  }
  if (typeof edit_content === 'string') {
    const text = withoutQuotes(edit_content)
    if (typeof edit_index === 'number') buffer.rewind(edit_index)
    else if (/<\/?details/.test(text)) buffer.rewind(0) // without an index, a wrapper means the whole text
    buffer.append(text, isReasoning)
  }
  // A tool result uses the same field as text.
  if (delta_content && phase !== 'tool_response') buffer.append(delta_content, isReasoning)
}

/** Some edits are encoded as a JSON string. */
function withoutQuotes(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text
  const literal = parseJson(text.trim())
  return typeof literal === 'string' ? literal : text
}

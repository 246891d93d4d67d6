import { type Fields, isFields, textOr } from './json-fields.ts'

/** Fields that describe how something was made, not its content. */
const bookkeeping = new Set([
  'acknowledged_safety_checks',
  'approval_request_id',
  'cache_control',
  'call_id',
  'caller',
  'created_by',
  'encrypted_content',
  'fingerprint',
  'id',
  'phase',
  'prompt_cache_breakpoint',
  'role',
  'signature',
  'status',
  'type',
])

/**
 * An item or a part of a type that has no equivalent in a conversation, as text for the model: its content as JSON
 * between tags of its type. Empty if it contains no words.
 */
export function asMarkup(item: Fields): string {
  const content = Object.entries(item).filter(([key, value]) => !bookkeeping.has(key) && hasWords(value))
  if (content.length === 0) return ''
  return element(tagOf(textOr(item.type, 'item')), {}, JSON.stringify(Object.fromEntries(content), withoutData))
}

/** A text between tags, a form that models know from their prompts. */
export function element(tag: string, attributes: Record<string, string | null | undefined>, content: string): string {
  const pairs = Object.entries(attributes).flatMap(([name, value]) =>
    value ? [` ${name}="${value.replaceAll('"', '&quot;')}"`] : [],
  )
  return `<${tag}${pairs.join('')}>\n${content}\n</${tag}>`
}

/** A type as the name of a tag, with only the characters that one may have. */
export function tagOf(type: string): string {
  return type.replaceAll(/[^\w.:-]/g, '_')
}

function hasWords(value: unknown): boolean {
  if (typeof value === 'string') return value !== '' && !isData(value)
  if (Array.isArray(value)) return value.some(hasWords)
  if (isFields(value)) return Object.entries(value).some(([key, inner]) => !bookkeeping.has(key) && hasWords(inner))
  return value !== undefined && value !== null
}

/** For `JSON.stringify`: leaves out what no model can read. */
export function withoutData(_key: string, value: unknown): unknown {
  return typeof value === 'string' && isData(value) ? '[data]' : value
}

/** Whether the text encodes an image or a sound, which would be thousands of tokens without a meaning. */
export function isData(text: string): boolean {
  return /^data:[^,]{0,200};base64,/.test(text) || (text.length > 500 && /^[A-Za-z0-9+/_-]+={0,2}$/.test(text))
}

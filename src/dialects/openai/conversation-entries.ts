import { ignoredValue } from './effort.ts'
import { type Fields, isFields, jsonText, textOr } from './json-fields.ts'

/** A message of a conversation, or an item in place of one, with its index in the client's list. */
export interface ConversationEntry {
  fields: Fields
  index: number
}

/** The roles of the APIs that are served. */
const ownRoles = new Set(['user', 'assistant', 'system', 'developer', 'tool', 'function'])

/** Names of these roles at other servers and in other programs and datasets. */
const rolesOfOthers = new Map([
  ['human', 'user'],
  ['customer', 'user'],
  ['ai', 'assistant'],
  ['bot', 'assistant'],
  ['chatbot', 'assistant'],
  ['gpt', 'assistant'],
  ['model', 'assistant'],
  ['platform', 'system'],
  ['root', 'system'],
  ['ipython', 'tool'],
  ['observation', 'tool'],
  ['tool_response', 'tool'],
  ['tool_result', 'tool'],
])

/**
 * The entries of a conversation of any origin, with roles of the APIs that are served. A single value counts as a list
 * of one, a text is a message of the user, and empty values (`null`, `{}`) are left out. An entry with the type of an
 * item or a block has no role. An unknown role becomes a user of that name, so that the model can tell who spoke. Each
 * role that was translated or guessed is reported as ignored once.
 *
 * The content may be in `parts`, `text` or `value` instead.
 */
export function readEntries(list: unknown, path: string, onIgnored: (name: string) => void): ConversationEntry[] {
  const named = new Set<string>()
  const ignoreOnce = (role: unknown) => {
    const name = ignoredValue(`${path}.role`, role)
    if (!named.has(name)) onIgnored(name)
    named.add(name)
  }
  return listed(list).flatMap((entry, index): ConversationEntry[] => {
    if (!isFields(entry)) {
      const content = Array.isArray(entry) ? entry : jsonText(entry)
      return content.length === 0 ? [] : [{ fields: { role: 'user', content }, index }]
    }
    if (Object.keys(entry).length === 0) return []
    return [{ fields: isItem(entry) ? withoutRole(entry) : readMessage(entry, ignoreOnce), index }]
  })
}

/** The role of the APIs that are served that has this name here or elsewhere. */
export function knownRole(name: unknown): string | undefined {
  const word = roleWord(name)
  return ownRoles.has(word) ? word : rolesOfOthers.get(word)
}

function roleWord(name: unknown): string {
  return textOr(name).trim().toLowerCase()
}

/** A single value counts as a list of one. */
export function listed(list: unknown): readonly unknown[] {
  if (Array.isArray(list)) return list
  return list === null || list === undefined ? [] : [list]
}

/** Items are recognised by their type, because some servers write a role beside it. */
function isItem({ role, type }: Fields): boolean {
  if (typeof type !== 'string' || type === '' || type === 'message') return false
  return role === undefined || role === null || /_call$|_output$|^reasoning$/.test(type)
}

function withoutRole(item: Fields): Fields {
  return 'role' in item ? { ...item, role: undefined } : item
}

function readMessage(message: Fields, ignoreRole: (role: unknown) => void): Fields {
  const requested = message.role ?? message.from
  const word = roleWord(requested)
  if (ownRoles.has(word)) return word === message.role && 'content' in message ? message : withRole(message, word)
  const isMissing = requested === undefined || requested === null || requested === ''
  ignoreRole(isMissing ? 'missing' : requested)
  if (isMissing) return withRole(message, likelyRole(message))
  const known = rolesOfOthers.get(word)
  if (known !== undefined) return withRole(message, known)
  return withRole(textOr(message.name) === '' ? { ...message, name: textOr(requested) } : message, 'user')
}

/** Fields that only one role has. */
function likelyRole({ tool_calls, function_call, tool_call_id }: Fields): string {
  if (Array.isArray(tool_calls) || isFields(function_call)) return 'assistant'
  return textOr(tool_call_id) === '' ? 'user' : 'tool'
}

function withRole(message: Fields, role: string): Fields {
  const { content, parts, text, value } = message
  return { ...message, role, content: content ?? parts ?? text ?? value }
}

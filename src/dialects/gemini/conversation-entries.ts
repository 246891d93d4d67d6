import { knownRole, listed } from '../openai/conversation-entries.ts'
import { ignoredValue } from '../openai/effort.ts'
import { type Fields, isFields, textOr } from '../openai/json-fields.ts'
import { partsIn } from './parts.ts'

/** One content of a conversation, with its index in the client's list. */
export interface ContentEntry {
  role: 'user' | 'model' | 'system'
  parts: Fields[]
  /** The client's own word for an unknown role, so that the model can tell who spoke; otherwise empty. */
  speaker: string
  index: number
}

/**
 * The contents of a conversation of any origin. A plain text counts as a content of the user, and empty values (`null`,
 * `{}`) are left out. The parts may be in `content` or `text` instead, as in other APIs. Each role that Google's API
 * does not have is reported as ignored once.
 */
export function readContents(list: unknown, onIgnored: (name: string) => void): ContentEntry[] {
  return listed(list).flatMap((entry, index): ContentEntry[] => {
    if (!isFields(entry)) {
      const parts = partsIn(entry).filter(({ text }) => text !== '')
      return parts.length === 0 ? [] : [{ role: 'user', parts, speaker: '', index }]
    }
    if (Object.keys(entry).length === 0) return []
    const { parts, content, text, role } = entry
    return [{ ...readRole(role, onIgnored), parts: partsIn(parts ?? content ?? text ?? []), index }]
  })
}

const ownRoles = new Map<unknown, ContentEntry['role']>([
  [undefined, 'user'],
  [null, 'user'],
  ['', 'user'],
  ['user', 'user'],
  // The role of results.
  ['function', 'user'],
  ['model', 'model'],
])

const rolesOfOthers = new Map<string | undefined, ContentEntry['role']>([
  ['user', 'user'],
  ['tool', 'user'],
  ['function', 'user'],
  ['assistant', 'model'],
  ['system', 'system'],
  ['developer', 'system'],
])

function readRole(role: unknown, onIgnored: (name: string) => void): Pick<ContentEntry, 'role' | 'speaker'> {
  const own = ownRoles.get(typeof role === 'string' ? role.trim().toLowerCase() : role)
  if (own !== undefined) return { role: own, speaker: '' }
  onIgnored(ignoredValue('contents.role', role))
  const known = rolesOfOthers.get(knownRole(role))
  return known === undefined ? { role: 'user', speaker: textOr(role) } : { role: known, speaker: '' }
}

import { appendText } from '../core/append-text.ts'
import { isRecord, parseJson } from '../core/json.ts'
import { isShallow } from '../json/lenient-json.ts'
import { memberRulesOf, repairedText, restatesArguments } from '../json/repair.ts'
import { type ArgumentMembers, argumentMembers } from './argument-members.ts'

/** Reads the arguments of one call in pieces. */
export interface ArgumentStream {
  /** Adds a piece, and returns the text that can be sent now. */
  push(text: string): string
  /**
   * Returns the text that is left to send. After it, all sent text is the arguments; nothing is sent if there are none.
   */
  end(): string
  /** Something other than a placeholder has arrived. */
  readonly begun: boolean
  /** A complete object has arrived. */
  readonly whole: boolean
}

type State =
  /** Before the object: nothing so far, or a placeholder that real arguments may follow. */
  | 'start'
  /** The arguments cannot be read member by member, so all of them are held until the end. */
  | 'held'
  /** In the object. */
  | 'members'
  /** After the object. */
  | 'done'
  /** A part was sent and the rest cannot be read. The rest is sent unchanged, so that the whole is not valid JSON. */
  | 'broken'

const placeholders = /^\s*(?:(?:\{\s*\}|\[\s*\]|null|"(?:\{\s*\}|\[\s*\]|null)?")\s*)*/
/** May become a placeholder, or an object with at least one member. */
const undecided = /^(?:\{\s*|\[\s*|n|nu|nul|"(?:\{\s*\}?|\[\s*\]?|n|nu|nul|null)?)$/
/** Longest run of placeholders that is examined, in UTF-16 units: it is read again with each piece. */
const longestLead = 2_000
const opening = /^\{\s*(?=")/
/** The engine reads a longer text several times faster than it is read member by member. */
const longLength = 65_536
/** Text after the object that might be arguments. Words, tags and fences cannot be. */
const mayBeArguments = /[{[]|"\s*:|<arg_/

/**
 * Streams arguments. They are repaired only if the schema in `parameters` allows exactly one repair. The output does not
 * depend on how the text is split.
 *
 * Strings are sent as they arrive; a value of another type is held until its end. A placeholder (`{}`, `null`, `[]`,
 * `""`, `"{}"`) is held back, because some deployments send one before the real arguments. Arguments inside a string,
 * and arguments that are not quite JSON from the first piece on, are held until the end. Text after the object is
 * dropped if it only repeats the arguments, or if nothing in it could be arguments.
 */
export function argumentStream(parameters: Record<string, unknown>): ArgumentStream {
  const ruleOf = memberRulesOf(parameters)
  let state: State = ruleOf ? 'start' : 'held'
  // All text as it arrived.
  let raw = ''
  let sent = ''
  // The text before the object, in the state `start`.
  let lead = ''
  let members: ArgumentMembers | undefined
  let afterObject = ''

  return {
    push(text) {
      raw = appendText(raw, text)
      const out = read(text)
      sent = appendText(sent, out)
      return out
    },
    end() {
      const rest = restOf()
      sent += rest
      return rest
    },
    get begun() {
      return state === 'held' ? !isPlaceholder(raw) : state !== 'start' || !isPlaceholder(lead)
    },
    get whole() {
      return state === 'done' || (state === 'held' && isWhole(raw))
    },
  }

  /** Reads a piece, and returns what can be sent of it. */
  function read(text: string): string {
    switch (state) {
      case 'start':
        return start(text)
      case 'held':
        return ''
      case 'members':
        return readMembers(text, 0)
      case 'done':
        afterObject += text
        return ''
      case 'broken':
        return text
      default:
        return state satisfies never
    }
  }

  function start(text: string): string {
    if (lead === '' && text.length > longLength && isRight(text, parameters)) {
      state = 'done'
      const end = text.trimEnd().length
      afterObject = text.slice(end)
      return text.slice(0, end).trimStart()
    }
    lead += text
    const placeholderLength = placeholders.exec(lead)?.[0].length ?? 0
    const rest = lead.slice(placeholderLength)
    if (rest === '' || undecided.test(rest)) {
      if (lead.length > longestLead) state = 'held'
      return ''
    }
    const brace = opening.exec(rest)?.[0]
    if (brace === undefined || ruleOf === undefined) {
      state = 'held'
      return ''
    }
    state = 'members'
    members = argumentMembers(ruleOf, brace)
    // The quote of the first key is in this piece; without it the text before would be undecided.
    return readMembers(text, text.length - (rest.length - brace.length))
  }

  function readMembers(text: string, from: number): string {
    if (members === undefined) return ''
    const at = members.read(text, from)
    const out = members.take()
    if (members.status === 'open') return out
    if (members.status === 'done') {
      state = 'done'
      afterObject = text.slice(at)
      return out
    }
    // Arguments of which nothing was sent can still be repaired as a whole.
    state = sent === '' ? 'held' : 'broken'
    return sent === '' ? '' : out + members.waiting + text.slice(at)
  }

  function restOf(): string {
    switch (state) {
      case 'start':
        if (lead.trim() === '') return ''
        return isPlaceholder(lead) ? '{}' : lead
      case 'held':
        return repairedText(raw, parameters)
      case 'members':
        return members?.waiting ?? ''
      case 'done':
        return isRepetition() || !mayBeArguments.test(afterObject) ? '' : afterObject
      case 'broken':
        return ''
      default:
        return state satisfies never
    }
  }

  /** The repetition may be cut in the middle. */
  function isRepetition(): boolean {
    const before = raw.slice(0, raw.length - afterObject.length)
    return before.startsWith(afterObject.trim()) || restatesArguments(afterObject, parseJson(sent), parameters)
  }
}

/** Whether the text is an object with members, of which none needs a repair. */
function isRight(text: string, parameters: Record<string, unknown>): boolean {
  // Rules of its own, because they convert only so much.
  const ruleOf = memberRulesOf(parameters)
  const value = ruleOf && text.trimEnd().endsWith('}') ? parseJson(text) : undefined
  if (!ruleOf || !isRecord(value) || !isShallow(value) || isPlaceholder(text)) return false
  return Object.entries(value).every(([key, member]) => {
    const rule = ruleOf(key)
    return (typeof member === 'string' && rule.takesString) || rule.mend(member) === member
  })
}

/** Whether the text is empty, or what some deployments send before the real arguments. */
export function isPlaceholder(text: string): boolean {
  return placeholders.exec(text)?.[0].length === text.length
}

function isWhole(text: string): boolean {
  const value = parseJson(text.trim())
  return typeof value === 'object' && value !== null && !isPlaceholder(text)
}

import { appendText } from '../core/append-text.ts'
import { parseJson } from '../core/json.ts'
import { readJson } from '../json/lenient-json.ts'
import { type MemberRule, memberRulesOf, repairedText, restatesArguments, sameValue } from '../json/repair.ts'

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
  | 'key'
  | 'colon'
  /** Before a value. */
  | 'value'
  /** In a string that is sent as it arrives. */
  | 'string'
  /** In a value that is held until its end, because its type may have to be converted. */
  | 'heldValue'
  /** After a value. */
  | 'comma'
  /** After a comma. */
  | 'member'
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
/** Text after the object that might be arguments. Words, tags and fences cannot be. */
const mayBeArguments = /[{[]|"\s*:|<arg_/
const stringStop = /["\\]|\p{Cc}/gu
const space = /\s/

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
  // Text that is held back in the states `start`, `heldValue` and `member`.
  let waiting = ''
  // The key so far, and the text after the object.
  let name = ''
  let afterObject = ''
  // State within the key, string or held value that is being read.
  let escaped = false
  let quoted = false
  let depth = 0
  let rule: MemberRule | undefined
  // Input and output of the current push.
  let input = ''
  let out = ''

  return {
    push(text) {
      raw = appendText(raw, text)
      input = text
      out = ''
      let at = 0
      while (at < input.length) at = step(at)
      sent = appendText(sent, out)
      return out
    },
    end() {
      const rest = restOf()
      sent += rest
      return rest
    },
    get begun() {
      return state === 'held' ? !isPlaceholder(raw) : state !== 'start' || !isPlaceholder(waiting)
    },
    get whole() {
      return state === 'done' || (state === 'held' && isWhole(raw))
    },
  }

  /** Reads from `at`, and returns the position it reached. */
  function step(at: number): number {
    const char = input.charAt(at)
    switch (state) {
      case 'start':
        return start(at)
      case 'held':
        return input.length
      case 'key':
        return key(char, at)
      case 'colon':
        if (char === ':') state = 'value'
        return char === ':' || space.test(char) ? pass(char, at) : fail(at)
      case 'value':
        return value(char, at)
      case 'string':
        return string(at)
      case 'heldValue':
        return heldValue(char, at)
      case 'comma':
        if (space.test(char)) return pass(char, at)
        return char === '}' ? close(at) : char === ',' ? wait(char, at, 'member') : fail(at)
      case 'member':
        if (space.test(char)) return wait(char, at, 'member')
        if (char === '}') return close(at) // the comma before it is dropped
        return char === '"' ? openKey(at) : fail(at)
      case 'done':
        afterObject += input.slice(at)
        return input.length
      case 'broken':
        out += input.slice(at)
        return input.length
      default:
        return state satisfies never
    }
  }

  function start(at: number): number {
    waiting += input.slice(at)
    const placeholderLength = placeholders.exec(waiting)?.[0].length ?? 0
    const rest = waiting.slice(placeholderLength)
    if (rest === '' || undecided.test(rest)) {
      if (waiting.length > longestLead) state = 'held'
      return input.length
    }
    const brace = opening.exec(rest)?.[0]
    if (brace === undefined) {
      state = 'held'
      return input.length
    }
    // The quote of the first key is in this piece; without it the text before would be undecided.
    const consumed = input.length - (rest.length - brace.length)
    waiting = brace
    return openKey(consumed)
  }

  function openKey(at: number): number {
    out += waiting
    waiting = ''
    name = '"'
    state = 'key'
    return pass('"', at)
  }

  function key(char: string, at: number): number {
    name += char
    if (escaped) escaped = false
    else if (char === '\\') escaped = true
    else if (char === '"') {
      const read = parseJson(name)
      if (typeof read !== 'string') return fail(at)
      rule = ruleOf?.(read)
      state = 'colon'
    }
    return pass(char, at)
  }

  function value(char: string, at: number): number {
    if (space.test(char)) return pass(char, at)
    quoted = false
    depth = 0
    waiting = ''
    state = char === '"' && rule?.takesString ? 'string' : 'heldValue'
    return state === 'string' ? pass(char, at) : at
  }

  function string(at: number): number {
    if (escaped) {
      escaped = false
      return pass(input.charAt(at), at)
    }
    stringStop.lastIndex = at
    const stop = stringStop.exec(input)?.index ?? input.length
    out += input.slice(at, stop)
    if (stop === input.length) return stop
    const char = input.charAt(stop)
    if (char === '"') state = 'comma'
    else if (char === '\\') escaped = true
    // A raw line break is not legal in a JSON string.
    return pass(char < ' ' ? JSON.stringify(char).slice(1, -1) : char, stop)
  }

  function heldValue(char: string, at: number): number {
    if (!quoted && depth === 0 && waiting !== '' && (char === ',' || char === '}' || space.test(char)))
      return sendHeldValue(at)
    waiting += char
    if (escaped) escaped = false
    else if (quoted) {
      if (char === '\\') escaped = true
      else if (char === '"') quoted = false
      if (!quoted && depth === 0) return sendHeldValue(at + 1)
    } else if (char === '"') quoted = true
    else if (char === '{' || char === '[') depth++
    else if (char === '}' || char === ']') {
      depth--
      if (depth === 0) return sendHeldValue(at + 1)
    }
    return at + 1
  }

  /** Sends the held value, which is now complete. */
  function sendHeldValue(next: number): number {
    const values = readJson(waiting)
    if (values?.length !== 1) return fail(next)
    const [read] = values
    const repaired = rule?.mend(read)
    const strict = parseJson(waiting)
    out += strict !== undefined && sameValue(repaired, strict) ? waiting : JSON.stringify(repaired)
    waiting = ''
    state = 'comma'
    return next
  }

  function close(at: number): number {
    waiting = ''
    state = 'done'
    return pass('}', at)
  }

  function pass(text: string, at: number): number {
    out += text
    return at + 1
  }

  function wait(char: string, at: number, next: State): number {
    waiting += char
    state = next
    return at + 1
  }

  /** The text from `at` on cannot be read. */
  function fail(at: number): number {
    if (sent === '') {
      out = ''
      state = 'held'
      return input.length
    }
    out += waiting
    waiting = ''
    state = 'broken'
    return at
  }

  function restOf(): string {
    switch (state) {
      case 'start':
        if (waiting.trim() === '') return ''
        return isPlaceholder(waiting) ? '{}' : waiting
      case 'held':
        return repairedText(raw, parameters)
      case 'done':
        return isRepetition() || !mayBeArguments.test(afterObject) ? '' : afterObject
      default:
        return waiting
    }
  }

  /** The repetition may be cut in the middle. */
  function isRepetition(): boolean {
    const before = raw.slice(0, raw.length - afterObject.length)
    return before.startsWith(afterObject.trim()) || restatesArguments(afterObject, parseJson(sent), parameters)
  }
}

/** Whether the text is empty, or what some deployments send before the real arguments. */
export function isPlaceholder(text: string): boolean {
  return placeholders.exec(text)?.[0].length === text.length
}

function isWhole(text: string): boolean {
  const value = parseJson(text.trim())
  return typeof value === 'object' && value !== null && !isPlaceholder(text)
}

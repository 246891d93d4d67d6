import { parseJson } from '../core/json.ts'
import { readJson } from '../json/lenient-json.ts'
import { type MemberRule, memberRulesOf, repairedText, restatesArguments, sameValue } from '../json/repair.ts'

/** The arguments of one call, read in the pieces in which they come. */
export interface ArgumentStream {
  /** What may be sent on now. */
  push(text: string): string
  /** What is left to send: all that was sent is the arguments then. Nothing is sent for a call without any. */
  end(): string
  /** Something other than a placeholder has come. */
  readonly begun: boolean
  /** A whole object has come. */
  readonly whole: boolean
}

type State =
  /** In front of the object: nothing, or a placeholder that real arguments may follow. */
  | 'start'
  /** Cannot be read member by member: all of it waits for the end. */
  | 'held'
  | 'key'
  | 'colon'
  /** In front of a value. */
  | 'value'
  /** In a string that is sent on as it comes. */
  | 'string'
  /** In a value that waits for its end, for its type may have to be converted. */
  | 'heldValue'
  /** Behind a value. */
  | 'comma'
  /** Behind a comma. */
  | 'member'
  /** Behind the object. */
  | 'done'
  /** Part of it is sent and the rest cannot be read: it is sent as it is, so that the whole is no JSON. */
  | 'broken'

const placeholders = /^\s*(?:(?:\{\s*\}|\[\s*\]|null|"(?:\{\s*\}|\[\s*\]|null)?")\s*)*/
/** May become a placeholder, or an object that has one member at least. */
const undecided = /^(?:\{\s*|\[\s*|n|nu|nul|"(?:\{\s*\}?|\[\s*\]?|n|nu|nul|null)?)$/
/** Longest stretch of placeholders that is looked through, in UTF-16 units: it is read anew with each piece. */
const longestLead = 2_000
const opening = /^\{\s*(?=")/
const stringStop = /["\\]|\p{Cc}/gu
const space = /\s/

/**
 * Sends arguments on as they come, mended where `parameters` leaves one way to do it, and whatever they are cut into
 * comes out the same.
 *
 * Strings flow; a value of another type waits for its own end. A placeholder (`{}`, `null`, `[]`, `""`, `"{}"`) is held back,
 * because some deployments send one first and the real arguments after it. Arguments in a string, and those that are
 * not quite JSON from the first piece on, wait for their end. What follows the object is dropped if it only says the
 * same again.
 */
export function argumentStream(parameters: Record<string, unknown>): ArgumentStream {
  const ruleOf = memberRulesOf(parameters)
  let state: State = ruleOf ? 'start' : 'held'
  // All of it as it came.
  let raw = ''
  let sent = ''
  // What waits in the states `start`, `heldValue` and `member`.
  let waiting = ''
  // The key so far, and what came behind the object.
  let name = ''
  let behind = ''
  // Of the key, string or held value that is being read.
  let escaped = false
  let quoted = false
  let depth = 0
  let rule: MemberRule | undefined
  // Of the running push.
  let input = ''
  let out = ''

  return {
    push(text) {
      raw += text
      input = text
      out = ''
      let at = 0
      while (at < input.length) at = step(at)
      sent += out
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

  /** Reads from `at`, and returns how far it came. */
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
        if (char === '}') return close(at) // the comma before it is one too many
        return char === '"' ? openKey(at) : fail(at)
      case 'done':
        behind += input.slice(at)
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
    const said = placeholders.exec(waiting)?.[0].length ?? 0
    const rest = waiting.slice(said)
    if (rest === '' || undecided.test(rest)) {
      if (waiting.length > longestLead) state = 'held'
      return input.length
    }
    const brace = opening.exec(rest)?.[0]
    if (brace === undefined) {
      state = 'held'
      return input.length
    }
    // The quote of the first key came in this piece, or all before it would be undecided.
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
    // A line break as it is has no place in a string.
    return pass(char < ' ' ? JSON.stringify(char).slice(1, -1) : char, stop)
  }

  function heldValue(char: string, at: number): number {
    if (!quoted && depth === 0 && waiting !== '' && (char === ',' || char === '}' || space.test(char)))
      return settle(at)
    waiting += char
    if (escaped) escaped = false
    else if (quoted) {
      if (char === '\\') escaped = true
      else if (char === '"') quoted = false
      if (!quoted && depth === 0) return settle(at + 1)
    } else if (char === '"') quoted = true
    else if (char === '{' || char === '[') depth++
    else if (char === '}' || char === ']') {
      depth--
      if (depth === 0) return settle(at + 1)
    }
    return at + 1
  }

  /** The value that was held is whole. */
  function settle(next: number): number {
    const values = readJson(waiting)
    if (values?.length !== 1) return fail(next)
    const [read] = values
    const mended = rule?.mend(read)
    const strict = parseJson(waiting)
    out += strict !== undefined && sameValue(mended, strict) ? waiting : JSON.stringify(mended)
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

  /** What is from `at` on cannot be read. */
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
        return isRestated() ? '' : behind
      default:
        return waiting
    }
  }

  /** A cut may come in the middle of the second time. */
  function isRestated(): boolean {
    const before = raw.slice(0, raw.length - behind.length)
    return before.startsWith(behind.trim()) || restatesArguments(behind, parseJson(sent), parameters)
  }
}

/** Nothing, or what some deployments send before the real arguments. */
export function isPlaceholder(text: string): boolean {
  return placeholders.exec(text)?.[0].length === text.length
}

function isWhole(text: string): boolean {
  const value = parseJson(text.trim())
  return typeof value === 'object' && value !== null && !isPlaceholder(text)
}

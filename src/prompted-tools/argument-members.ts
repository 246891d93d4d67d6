import { parseJson } from '../core/json.ts'
import { readJson } from '../json/lenient-json.ts'
import { type MemberRule, sameValue } from '../json/repair.ts'
import { valueEnd } from './value-end.ts'

/** Reads the members of an object in pieces, and repairs their values. */
export interface ArgumentMembers {
  /** Reads `text` from `at` on. Returns the position it reached: the end of the text, or where the status changed. */
  read(text: string, at: number): number
  /** Returns what can be sent of what was read. */
  take(): string
  /** Text that was read and is held back. */
  readonly waiting: string
  /** `broken` if the text cannot be read, `done` after the closing brace. */
  readonly status: 'open' | 'done' | 'broken'
}

type State =
  | 'key'
  | 'colon'
  /** Before a value. */
  | 'value'
  /** In a string that is sent as it arrives. */
  | 'string'
  /** In a value that is held until its end, because its type may have to be converted. */
  | 'held-value'
  /** After a value. */
  | 'comma'
  /** After the opening brace, or after a comma. */
  | 'member'

const stringStop = /["\\]|\p{Cc}/gu
const space = /\s/

/** `brace` is the opening brace with the space behind it. The next character is the quote of the first key. */
export function argumentMembers(ruleOf: (name: string) => MemberRule | undefined, brace: string): ArgumentMembers {
  let status: ArgumentMembers['status'] = 'open'
  let state: State = 'member'
  let out = ''
  // Text that is held back in the states `held-value` and `member`.
  let waiting = brace
  // The key so far, and the rule for its value.
  let name = ''
  let rule: MemberRule | undefined
  // In a key or a string, a backslash came last.
  let escaped = false
  const end = valueEnd()

  return {
    read(text, from) {
      let at = from
      while (status === 'open' && at < text.length) at = step(text, at)
      return at
    },
    take() {
      const taken = out
      out = ''
      return taken
    },
    get waiting() {
      return waiting
    },
    get status() {
      return status
    },
  }

  /** Reads from `at`, and returns the position it reached. */
  function step(text: string, at: number): number {
    const char = text.charAt(at)
    switch (state) {
      case 'key':
        return key(char, at)
      case 'colon':
        if (char === ':') state = 'value'
        return char === ':' || space.test(char) ? pass(char, at) : fail(at)
      case 'value':
        return value(char, at)
      case 'string':
        return string(text, at)
      case 'held-value':
        return heldValue(char, at)
      case 'comma':
      case 'member':
        return between(char, at)
      default:
        return state satisfies never
    }
  }

  function between(char: string, at: number): number {
    if (char === '}') return close(at) // a comma before it is dropped
    if (state === 'comma') return space.test(char) ? pass(char, at) : char === ',' ? wait(char, at) : fail(at)
    if (space.test(char)) return wait(char, at)
    return char === '"' ? openKey(at) : fail(at)
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
      rule = ruleOf(read)
      state = 'colon'
    }
    return pass(char, at)
  }

  function value(char: string, at: number): number {
    if (space.test(char)) return pass(char, at)
    waiting = ''
    if (char === '"' && rule?.takesString) {
      state = 'string'
      return pass(char, at)
    }
    state = 'held-value'
    end.begin()
    return at
  }

  function string(text: string, at: number): number {
    if (escaped) {
      escaped = false
      return pass(text.charAt(at), at)
    }
    stringStop.lastIndex = at
    const stop = stringStop.exec(text)?.index ?? text.length
    out += text.slice(at, stop)
    if (stop === text.length) return stop
    const char = text.charAt(stop)
    if (char === '"') state = 'comma'
    else if (char === '\\') escaped = true
    // A raw line break is not legal in a JSON string.
    return pass(char < ' ' ? JSON.stringify(char).slice(1, -1) : char, stop)
  }

  function heldValue(char: string, at: number): number {
    const ends = end.push(char)
    if (ends === 'before') return sendHeldValue(at)
    waiting += char
    return ends === 'with' ? sendHeldValue(at + 1) : at + 1
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
    status = 'done'
    return pass('}', at)
  }

  function pass(text: string, at: number): number {
    out += text
    return at + 1
  }

  function wait(char: string, at: number): number {
    waiting += char
    state = 'member'
    return at + 1
  }

  /** The text from `at` on cannot be read. */
  function fail(at: number): number {
    status = 'broken'
    return at
  }
}

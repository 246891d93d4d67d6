import { parseJson } from '../core/json.ts'
import { isShallow, readJson } from '../json/lenient-json.ts'
import { type MemberRule, sameValue } from '../json/repair.ts'
import { stringStop } from './string-stop.ts'
import { type ValueEnd, valueEnd } from './value-end.ts'

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

type MemberPosition =
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

const quote = 0x22
const space = /\s/

/** What has been read of an object, and where the reader stands in it. */
interface MembersReading {
  readonly ruleOf: (name: string) => MemberRule | undefined
  status: ArgumentMembers['status']
  position: MemberPosition
  /** What can be sent. */
  out: string
  /** Text that is held back at `held-value` and `member`. */
  waiting: string
  /** The key so far, with its quotes. */
  name: string
  /** For the value of the key. */
  rule: MemberRule | undefined
  /** In a key or a string, a backslash came last. */
  escaped: boolean
  /** Follows the value that is held. */
  readonly end: ValueEnd
}

/** `brace` is the opening brace with the space behind it. The next character is the quote of the first key. */
export function argumentMembers(ruleOf: (name: string) => MemberRule | undefined, brace: string): ArgumentMembers {
  const reading: MembersReading = {
    ruleOf,
    status: 'open',
    position: 'member',
    out: '',
    waiting: brace,
    name: '',
    rule: undefined,
    escaped: false,
    end: valueEnd(),
  }

  return {
    read(text, from) {
      let at = from
      while (reading.status === 'open' && at < text.length) at = step(reading, text, at)
      return at
    },
    take() {
      const taken = reading.out
      reading.out = ''
      return taken
    },
    get waiting() {
      return reading.waiting
    },
    get status() {
      return reading.status
    },
  }
}

/** Reads from `at`, and returns the position it reached. */
function step(reading: MembersReading, text: string, at: number): number {
  const char = text.charAt(at)
  const { position } = reading
  switch (position) {
    case 'key':
      return readKey(reading, text, at)
    case 'colon':
      return readColon(reading, char, at)
    case 'value':
      return beginValue(reading, char, at)
    case 'string':
      return readString(reading, text, at)
    case 'held-value':
      return readHeldValue(reading, text, at)
    case 'comma':
      return readComma(reading, char, at)
    case 'member':
      return beginMember(reading, char, at)
    default:
      return position satisfies never
  }
}

function readKey(reading: MembersReading, text: string, at: number): number {
  const stop = stringStop(reading, text, at, 'legal')
  const read = text.slice(at, stop + 1)
  reading.name += read
  if (text.charCodeAt(stop) === quote) {
    const name = parseJson(reading.name)
    if (typeof name !== 'string') return fail(reading, stop)
    reading.rule = reading.ruleOf(name)
    reading.position = 'colon'
  }
  reading.out += read
  return stop + 1
}

function readColon(reading: MembersReading, char: string, at: number): number {
  if (char === ':') reading.position = 'value'
  return char === ':' || space.test(char) ? pass(reading, char, at) : fail(reading, at)
}

function beginValue(reading: MembersReading, char: string, at: number): number {
  if (space.test(char)) return pass(reading, char, at)
  reading.waiting = ''
  if (char === '"' && reading.rule?.takesString) {
    reading.position = 'string'
    return pass(reading, char, at)
  }
  reading.position = 'held-value'
  reading.end.begin()
  return at
}

function readString(reading: MembersReading, text: string, at: number): number {
  const stop = stringStop(reading, text, at, 'legal')
  reading.out += text.slice(at, stop)
  if (stop === text.length) return stop
  const char = text.charAt(stop)
  if (char === '"') reading.position = 'comma'
  // A raw line break is not legal in a JSON string.
  return pass(reading, char === '"' ? char : JSON.stringify(char).slice(1, -1), stop)
}

function readHeldValue(reading: MembersReading, text: string, at: number): number {
  const to = reading.end.read(text, at)
  reading.waiting += text.slice(at, to)
  return to === undefined ? text.length : sendHeldValue(reading, to)
}

/** Sends the held value, which is now complete. */
function sendHeldValue(reading: MembersReading, next: number): number {
  const { waiting, rule } = reading
  const strict = parseJson(waiting)
  const values = strict === undefined ? readJson(waiting) : isShallow(strict) ? [strict] : undefined
  if (values?.length !== 1) return fail(reading, next)
  const [read] = values
  const repaired = rule?.mend(read)
  const isUnchanged = strict !== undefined && (repaired === strict || sameValue(repaired, strict))
  reading.out += isUnchanged ? waiting : JSON.stringify(repaired)
  reading.waiting = ''
  reading.position = 'comma'
  return next
}

function readComma(reading: MembersReading, char: string, at: number): number {
  if (char === '}') return close(reading, at)
  if (space.test(char)) return pass(reading, char, at)
  return char === ',' ? wait(reading, char, at) : fail(reading, at)
}

function beginMember(reading: MembersReading, char: string, at: number): number {
  // A comma before the closing brace is dropped.
  if (char === '}') return close(reading, at)
  if (space.test(char)) return wait(reading, char, at)
  if (char !== '"') return fail(reading, at)
  reading.out += reading.waiting
  reading.waiting = ''
  reading.name = '"'
  reading.position = 'key'
  return pass(reading, '"', at)
}

function close(reading: MembersReading, at: number): number {
  reading.waiting = ''
  reading.status = 'done'
  return pass(reading, '}', at)
}

function pass(reading: MembersReading, text: string, at: number): number {
  reading.out += text
  return at + 1
}

function wait(reading: MembersReading, char: string, at: number): number {
  reading.waiting += char
  reading.position = 'member'
  return at + 1
}

/** The text from `at` on cannot be read. */
function fail(reading: MembersReading, at: number): number {
  reading.status = 'broken'
  return at
}

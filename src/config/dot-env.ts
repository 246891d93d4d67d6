import { parseEnv } from 'node:util'

/** Something in the file that would not do what its writer meant. */
export interface DotEnvFault {
  /** From 1. */
  line: number
  /** Continues "FILE line N …"; never quotes a value. */
  says: string
  /** It is about a setting, and what the setting would be is not what was meant: nothing should go by this file. */
  fatal: boolean
}

export interface DotEnv {
  values: Record<string, string | undefined>
  faults: readonly DotEnvFault[]
}

export interface SettingNames {
  has(name: string): boolean
  /** Whether a word is a name, or was meant to be one; `alone` where nothing follows it, as where a file was cut off. */
  resembles(word: string, alone: boolean): boolean
}

/**
 * Reads a `.env` file one assignment at a time, and says which lines are none. What an assignment means is decided by
 * `parseEnv` of `node:util`, which reads a whole file, too, but skips what it does not understand.
 *
 * Other programs may keep theirs in the same file, so only what concerns a setting is fatal.
 */
export function readDotEnv(text: string, names: SettingNames): DotEnv {
  const values: DotEnv['values'] = {}
  const faults: DotEnvFault[] = []
  const lineOf = new Map<string, number>()
  const lines = text.split(/\r\n|\n|\r/)
  // A file of UTF-16 has one in every second place.
  const binary = lines.findIndex((line) => line.includes('\0'))
  if (binary >= 0) return { values, faults: [{ line: binary + 1, says: 'is not UTF-8 text', fatal: true }] }
  for (let at = 0; at < lines.length; ) {
    const statement = statementAt(lines, at)
    const [first = '', ...more] = statement
    const line = at + 1
    at += statement.length
    if (/^\s*(#|$)/.test(first)) continue
    const fault = (says: string, fatal: boolean) => void faults.push({ line, says, fatal })
    const [entry] = Object.entries(parseEnv(statement.join('\n')))
    if (entry === undefined) {
      const word = firstWord(first)
      const ours = names.resembles(word, first.trim() === word)
      // Any other may be a secret.
      const about = names.has(word) ? `names ${word} and has no =` : 'has no NAME=value'
      fault(`${about}, so it sets nothing: write NAME=value, or put # in front of it`, ours)
      continue
    }
    const [name, value = ''] = entry
    const ours = names.has(name)
    const { quote, tail } = shapeOf(statement.join('\n'))
    const swallowed = more.findIndex((next) => /[=:]/.test(next) && names.has(firstWord(next)))
    if (quote !== undefined && tail === undefined) fault(`opens ${name} with a quote that is never closed`, ours)
    else if (swallowed >= 0) fault(`opens ${name} with a quote that swallows line ${line + swallowed + 1}`, true)
    else if (tail !== undefined && !/^\s*(#|$)/.test(tail)) fault(`has text behind the closing quote of ${name}`, ours)
    else if (ours && quote === undefined && /\S#/.test(first))
      fault(`has a # in the value of ${name}, which begins a comment: put quotes around the value`, false)
    const earlier = lineOf.get(name)
    if (ours && earlier !== undefined) fault(`sets ${name} again, after line ${earlier}: the last one holds`, false)
    lineOf.set(name, line)
    values[name] = value
  }
  return { values, faults }
}

const opening = /^\s*(?:export\s+)?[\w.-]+\s*[=:]\s*(["'`])/

/** One line, or as many as it takes to close the quote that its value begins with. */
function statementAt(lines: readonly string[], at: number): string[] {
  const [whole = '', quote] = opening.exec(lines[at] ?? '') ?? []
  if (quote === undefined) return lines.slice(at, at + 1)
  const rest = [(lines[at] ?? '').slice(whole.length), ...lines.slice(at + 1)]
  const last = rest.findIndex((line) => closingIn(line, quote) >= 0)
  return lines.slice(at, at + Math.max(0, last) + 1)
}

/** The quote a value begins with, and what stands behind its other end, `undefined` where it has none. */
function shapeOf(statement: string): { quote: string | undefined; tail: string | undefined } {
  const [whole = '', quote] = opening.exec(statement) ?? []
  if (quote === undefined) return { quote, tail: undefined }
  const rest = statement.slice(whole.length)
  const end = closingIn(rest, quote)
  return { quote, tail: end < 0 ? undefined : rest.slice(end + 1) }
}

function closingIn(text: string, quote: string): number {
  for (let at = text.indexOf(quote); at >= 0; at = text.indexOf(quote, at + 1)) if (text[at - 1] !== '\\') return at
  return -1
}

function firstWord(line: string): string {
  return /^\s*(?:export\s+)?([\w.-]+)/.exec(line)?.[1] ?? ''
}

import { parseEnv } from 'node:util'

/** A line that does not do what its author intended. */
export interface DotEnvFault {
  /** Counted from 1. */
  line: number
  /** Continues "FILE line N …"; never quotes a value. */
  message: string
  /** The fault changes the value of a setting, so the file must not be used. */
  fatal: boolean
}

export interface DotEnv {
  values: Record<string, string | undefined>
  faults: readonly DotEnvFault[]
}

export interface SettingNames {
  has(name: string): boolean
  /** Whether a word is a mistyped name of a setting. A word that is the whole line may also be the start of a name. */
  resembles(word: string, wholeLine: boolean): boolean
}

/**
 * Reads a `.env` file statement by statement and reports the lines that set nothing. `parseEnv` decides what each
 * statement means; given the whole file, it would silently skip what it cannot parse.
 *
 * Other programs may keep their variables in the same file, so only faults that concern a setting are fatal.
 */
export function readDotEnv(text: string, settings: SettingNames): DotEnv {
  const values: DotEnv['values'] = {}
  const faults: DotEnvFault[] = []
  const lineOf = new Map<string, number>()
  const lines = text.split(/\r\n|\n|\r/)
  // In UTF-16, every other byte of ASCII text is zero.
  const binary = lines.findIndex((line) => line.includes('\0'))
  if (binary >= 0) return { values, faults: [{ line: binary + 1, message: 'is not UTF-8 text', fatal: true }] }
  for (let index = 0; index < lines.length; ) {
    const statement = statementAt(lines, index)
    const [first = '', ...more] = statement
    const line = index + 1
    index += statement.length
    if (/^\s*(#|$)/.test(first)) continue
    const report = (message: string, fatal: boolean) => void faults.push({ line, message, fatal })
    const [entry] = Object.entries(parseEnv(statement.join('\n')))
    if (entry === undefined) {
      const word = firstWord(first)
      // An unknown word may be a secret and is not repeated.
      const about = settings.has(word) ? `names ${word} and has no =` : 'has no NAME=value'
      const fatal = settings.resembles(word, first.trim() === word)
      report(`${about}, so it sets nothing: write NAME=value, or put # in front of it`, fatal)
      continue
    }
    const [name, value = ''] = entry
    const isSetting = settings.has(name)
    const { quote, tail } = quotingOf(statement.join('\n'))
    const swallowed = more.findIndex((next) => /[=:]/.test(next) && settings.has(firstWord(next)))
    if (quote !== undefined && tail === undefined) report(`opens ${name} with a quote that is never closed`, isSetting)
    else if (swallowed >= 0) report(`opens ${name} with a quote that swallows line ${line + swallowed + 1}`, true)
    else if (tail !== undefined && !/^\s*(#|$)/.test(tail))
      report(`has text behind the closing quote of ${name}`, isSetting)
    else if (isSetting && quote === undefined && /\S#/.test(first))
      report(`has a # in the value of ${name}, which begins a comment: put quotes around the value`, false)
    const earlier = lineOf.get(name)
    if (isSetting && earlier !== undefined)
      report(`sets ${name} again, after line ${earlier}: the last one holds`, false)
    lineOf.set(name, line)
    values[name] = value
  }
  return { values, faults }
}

const opening = /^\s*(?:export\s+)?[\w.-]+\s*[=:]\s*(["'`])/

/** The lines of one statement: one line, or all lines up to the quote that closes the one its value begins with. */
function statementAt(lines: readonly string[], start: number): string[] {
  const [whole = '', quote] = opening.exec(lines[start] ?? '') ?? []
  if (quote === undefined) return lines.slice(start, start + 1)
  const rest = [(lines[start] ?? '').slice(whole.length), ...lines.slice(start + 1)]
  const last = rest.findIndex((line) => closingIn(line, quote) >= 0)
  return lines.slice(start, start + Math.max(0, last) + 1)
}

/** The quote that a value begins with, and the text behind the closing quote. `tail` is `undefined` without a closing quote. */
function quotingOf(statement: string): { quote: string | undefined; tail: string | undefined } {
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

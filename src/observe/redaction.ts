import { findIssuedKeys } from '../core/issued-keys.ts'
import type { TextRange } from '../core/known-secrets.ts'
import { matchesOf } from '../core/matches.ts'
import { removed } from '../core/redact.ts'

/** The places of secrets in a text, in any order; they may overlap. */
export type FindSecrets = (text: string) => TextRange[]

/**
 * Patterns of keys of any owner, for the log and for bodies that are kept. They are separate patterns, because the engine
 * takes five times as long for a combined one (500 ns a line, Bun 1.4.5).
 */
export const secretPatterns = [
  // JSON web tokens, including truncated ones: their middle part is readable base64. What has no dot is matched, too, so that
  // a text of nothing but `eyJ` is not read anew from each of them.
  {
    pattern: /eyJ[\w-]*(?:\.[\w-]*(?:\.[\w-]*)?)?/g,
    replacement: (found: string) => (ordinaryWord.test(found) ? found : '[token]'),
  },
  { pattern: /\b(?:sk-|key-|z2a_)[\w-]{8,}/g, replacement: '[key]' },
  { pattern: /\b[0-9a-f]{32}\.[\w-]{8,}/g, replacement: '[key]' },
]

/** Keys of other vendors, which prompts and the files in them have: GitHub, GitLab, Slack, Google, Hugging Face. */
const keysOfOthers = [
  /\b(?:gh[opsu]|github_pat)_\w{20,}/g,
  /\bglpat-[\w-]{16,}/g,
  /\bxox[a-z]-[\w-]{10,}/g,
  /\bAIza[\w-]{30,}/g,
  /\bhf_\w{20,}/g,
]

/** One pattern tells nearly all lines apart: see `secretPatterns`. */
const mayHoldKeyOfOthers = /gh[opsu]_|_pat_|glpat-|xox|AIza|hf_/

/** A line of the log without keys of other vendors. */
export function withoutKeysOfOthers(line: string): string {
  if (!mayHoldKeyOfOthers.test(line)) return line
  return keysOfOthers.reduce((rest, pattern) => rest.replace(pattern, '[key]'), line)
}

/** What a secret stands behind: the name of a scheme, or the user in an address, where it is the password. */
const valuesBehind = [
  /\b(?:bearer|basic)\s+([\w.~+/=-]{12,})/gi,
  /:(?:\\?\/){2}[^\s/?#@:"'\\<>]{0,200}:([^\s/?#@"'\\<>]{1,200})(?=@)/g,
]

/** `key-value-store` is an ordinary word of prompts, unlike of the log, and a token has a dot. */
const ordinaryWord = /^(?:key-\D*|eyJ[\w-]*)$/

/** Finds the secrets that are known, and what has the shape of one. */
export function secretFinder(known: FindSecrets): FindSecrets {
  return (text) => {
    const ranges = [...known(text), ...findIssuedKeys(text)]
    for (const { pattern } of secretPatterns)
      for (const { 0: found, index } of matchesOf(pattern, text))
        if (!ordinaryWord.test(found)) ranges.push([index, index + found.length])
    for (const pattern of keysOfOthers)
      for (const { 0: found, index } of matchesOf(pattern, text)) ranges.push([index, index + found.length])
    for (const pattern of valuesBehind)
      for (const { 0: found, 1: value = '', index } of matchesOf(pattern, text))
        ranges.push([index + found.length - value.length, index + found.length])
    return ranges
  }
}

/**
 * The chunks without secrets. A secret may lie across chunks, and in a streamed reply across the pieces of text that its
 * events carry: in `{"delta":"sk-sec"}` and `{"delta":"ret-1234"}`. What is left of a secret stands in the chunk in which
 * it began.
 */
export function redactChunks(chunks: readonly string[], find: FindSecrets): string[] {
  const text = chunks.join('')
  const ranges = merged([...find(text), ...rangesAcrossPieces(text, find)])
  let next = 0
  let start = 0
  return chunks.map((chunk) => {
    const end = start + chunk.length
    let clean = ''
    let at = start
    for (let range = ranges[next]; range !== undefined && range[0] < end; range = ranges[next]) {
      if (range[0] >= at) clean += chunk.slice(at - start, range[0] - start) + removed
      at = Math.min(end, range[1])
      if (range[1] > end) break
      next++
    }
    clean += chunk.slice(at - start)
    start = end
    return clean
  })
}

/** A member of a JSON object whose value is a text, however deep. */
const textMember = /"(\w+)"\s*:\s*"([^"\\]*(?:\\.[^"\\]*)*)"/gs

/** A piece of what is searched: where it begins there, and in the text that it was taken from. */
interface Piece {
  from: number
  at: number
  length: number
}

/** What stands between the texts of two members: no secret has it. */
const between = '\0'

/** Joins the texts that members of one name have, and finds what is a secret only then, all members in one search. */
function rangesAcrossPieces(text: string, find: FindSecrets): TextRange[] {
  const pieces: Piece[] = []
  const joined: string[] = []
  let from = 0
  for (const member of valuesByName(text)) {
    if (member.length < 2) continue
    for (const [start, end] of member) {
      joined.push(text.slice(start, end))
      pieces.push({ from, at: start, length: end - start })
      from += end - start
    }
    joined.push(between)
    from += between.length
  }
  return pieces.length === 0 ? [] : inPieces(merged(find(joined.join(''))), pieces)
}

/** Where the texts of each member of that name are that are not empty, in order. */
function valuesByName(text: string): Iterable<TextRange[]> {
  const members = new Map<string, TextRange[]>()
  for (const { 0: whole, 1: name = '', 2: value = '', index } of text.matchAll(textMember)) {
    if (value === '') continue
    const end = index + whole.length - 1
    const places = members.get(name)
    if (places) places.push([end - value.length, end])
    else members.set(name, [[end - value.length, end]])
  }
  return members.values()
}

/** The ranges of what was searched, in order and without overlaps, as ranges of the text that its pieces were taken from. */
function inPieces(ranges: readonly TextRange[], pieces: readonly Piece[]): TextRange[] {
  const found: TextRange[] = []
  let next = 0
  for (const { from, at, length } of pieces) {
    const end = from + length
    for (let range = ranges[next]; range !== undefined && range[0] < end; range = ranges[next]) {
      if (range[1] > from) found.push([at + Math.max(range[0] - from, 0), at + Math.min(range[1], end) - from])
      // The rest of it lies in the next piece.
      if (range[1] > end) break
      next++
    }
  }
  return found
}

/** The positions in order, without overlaps. */
function merged(ranges: readonly TextRange[]): TextRange[] {
  const all: TextRange[] = []
  for (const [start, end] of ranges.toSorted(([left], [right]) => left - right)) {
    const last = all.at(-1)
    if (last !== undefined && start <= last[1]) last[1] = Math.max(last[1], end)
    else all.push([start, end])
  }
  return all
}

/**
 * A name that a client gives, such as that of a model or a session, without what has the shape of a key: people mix up the
 * fields of their programs. One pattern tells nearly all names apart, because every request has some.
 */
export function withoutKeyShapes(name: string): string {
  return mayHoldKey.test(name) ? redactText(name, keyShapes) : name
}

const mayHoldKey = /eyJ|sk-|key-|z2a_|gh[opsu]_|_pat_|glpat-|xox|AIza|hf_|bearer|basic|:\/\/|[0-9a-f]{32}\./i
const keyShapes = secretFinder(() => [])

export function redactText(text: string, find: FindSecrets): string {
  return isCleanText(text, find) ? text : (redactChunks([text], find)[0] ?? '')
}

/**
 * Headers whose value is a secret by their name, with whatever stands in front of it or behind: `apikey`, `x-auth`,
 * `x-api-secret-v2`. Those about limits count tokens, and `www-authenticate` says what is wanted.
 */
const secretHeader =
  /^(?!.*rate-?limit).*(?:auth(?!or(?:ity)?s?\b|enticate\b)|cookie|token|secret|passw|signature|credential|csrf|xsrf|jwt|api-?key|(?:^|[-_])(?:key|pass|pwd)s?(?:[-_]|$))/i

export function redactHeaders(headers: Iterable<readonly [string, string]>, find: FindSecrets): [string, string][] {
  return [...headers].map(([name, value]) => [
    redactText(name, find),
    secretHeader.test(name)
      ? value.replace(/^((?:bearer|basic|token)\s+)?.*$/is, `$1${removed}`)
      : redactUrl(value, find),
  ])
}

const parameter = /([?&#][^?=&#]*=)[^&#]*/g
const secretName = /token|key|secret|signature|password|auth/i
const userInfo = /(\/\/)[^/?#@]+@/

export function redactUrl(url: string, find: FindSecrets): string {
  const shown = url.replace(parameter, (all, name: string) => (secretName.test(name) ? name + removed : all))
  return redactText(shown.replace(userInfo, `$1${removed}@`), find)
}

/** The same value with every text in it redacted; names of members stay. A value without secrets is returned itself. */
export function redactDeep<Value>(value: Value, find: FindSecrets): Value {
  return isClean(value, find) ? value : (redacted(value, find) as Value)
}

/** Whether there is nothing to remove. Where nothing is quoted, no text has pieces. */
function isCleanText(text: string, find: FindSecrets): boolean {
  return !text.includes('"') && find(text).length === 0
}

/** Whether there is nothing to remove in any text. */
function isClean(value: unknown, find: FindSecrets): boolean {
  if (typeof value === 'string') return isCleanText(value, find)
  if (typeof value !== 'object' || value === null) return true
  // Objects of many shapes come here, for which `Object.values` is faster than a loop over the names.
  return Object.values(value).every((member) => typeof member === 'number' || isClean(member, find))
}

function redacted(value: unknown, find: FindSecrets): unknown {
  if (typeof value === 'string') return redactText(value, find)
  if (Array.isArray(value)) return value.map((each: unknown) => redacted(each, find))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, redacted(member, find)]))
}

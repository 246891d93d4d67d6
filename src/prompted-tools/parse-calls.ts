import { isRecord } from '../core/json.ts'
import { readJson, readKeywords } from '../json/lenient-json.ts'

/** A call as the model wrote it. Its name and the types of its arguments are not repaired yet. */
export type WrittenCall =
  | { name: string; arguments: unknown }
  /** Values without types: `<arg_value>3</arg_value>`. */
  | { name: string; texts: Map<string, string> }

/**
 * Parses the calls in one complete written form; call-forms.ts finds where a form ends. Returns an empty list if it
 * holds no call after all, and `undefined` if it cannot be parsed.
 */
export function parseCalls(written: string): WrittenCall[] | undefined {
  const text = written.trim()
  const opening = /^<\w+>/.exec(text)?.[0]
  if (opening !== undefined) {
    const body = text.slice(opening.length, text.lastIndexOf('</'))
    return opening === '<tool_call>' ? (tagBody(body.trim()) ?? tagBodies(body)) : elements(body)
  }
  return text.startsWith('{') ? wholeObjects(text) : code(text)
}

const closings: Record<string, readonly string[]> = {
  '<tool_call>': ['</tool_call>'],
  '<tool_calls>': ['</tool_calls>', '</tool_call></tool_calls>'],
  '<function_calls>': ['</function_calls>', '</invoke></function_calls>', '</function_call></function_calls>'],
}

/** The form completed in each possible way, if it lacks closing tags at its end, or a part of one. */
export function closedForms(written: string): string[] {
  const opening = /^<\w+>/.exec(written)?.[0] ?? ''
  const whole = written.replace(/<(?:\/\w*)?$/, '')
  return (closings[opening] ?? []).map((closing) => whole + closing)
}

/** The name that a form seems to call, for errors about a form that cannot be parsed. */
export function calledName(written: string): string | undefined {
  const named =
    /["“']name["”']\s*:\s*["“']([^"“”']+)|<tool>([^<]+)|<name>([^<]+)|name="([^"]+)"|^\s*<tool_call>\s*([\w.:-]+)|^\s*([\w.-]+)[({]/
  return named
    .exec(written)
    ?.slice(1)
    .find((name) => name !== undefined)
}

const argumentKeys = ['arguments', 'parameters', 'input', 'args']

/** Parses JSON, or the chat template's own name and key-value pairs, or `name{…}`. */
function tagBody(body: string): WrittenCall[] | undefined {
  if (/^[{[]/.test(body)) return gather(readJson(body), callsOf)
  const name = /^[\w.:-]+/.exec(body)?.[0]
  if (name === undefined) return undefined
  const rest = body.slice(name.length).trim()
  if (rest.startsWith('{')) return [{ name, arguments: rest }]
  const texts = pairs(cursor(rest))
  return texts && [{ name, texts }]
}

/** Parses several calls, of which only the last one has its closing tag. */
function tagBodies(body: string): WrittenCall[] | undefined {
  const bodies = body.split('<tool_call>')
  return bodies.length > 1 ? gather(bodies, (one) => tagBody(one.trim())) : undefined
}

function pairs(at: Cursor): Map<string, string> | undefined {
  const texts = new Map<string, string>()
  while (!at.done()) {
    const key = at.take('<arg_key>') ? at.until('</arg_key>') : undefined
    const value = at.take('<arg_value>') ? at.until('</arg_value>') : undefined
    if (key === undefined || value === undefined) return undefined
    texts.set(key.trim(), value)
  }
  return texts
}

/** Parses a message of JSON objects. An object that has a name but no arguments is data, not a call. */
function wholeObjects(text: string): WrittenCall[] | undefined {
  const values = readJson(text)
  const isCall = (value: unknown) =>
    isRecord(value) && (isFullCall(value) || 'tool_calls' in value || 'function' in value)
  return values?.every(isCall) === false ? [] : gather(values, callsOf)
}

function callsOf(value: unknown): WrittenCall[] | undefined {
  if (Array.isArray(value)) return gather(value, callsOf)
  if (!isRecord(value)) return undefined
  if (Array.isArray(value.tool_calls)) return gather(value.tool_calls, callsOf)
  if (isRecord(value.function)) return callsOf(value.function)
  const { name, id: _, type: __, ...rest } = value
  if (typeof name !== 'string') return undefined
  const key = argumentKeys.find((candidate) => Object.hasOwn(value, candidate))
  const written = key === undefined ? rest : value[key]
  const joined = typeof written === 'string' ? readJson(written) : undefined
  // Several calls of one turn, joined in the arguments of the first.
  if (joined && joined.length > 1 && joined.every(isFullCall)) return gather(joined, callsOf)
  return [{ name, arguments: written }]
}

function isFullCall(value: unknown): boolean {
  return isRecord(value) && typeof value.name === 'string' && argumentKeys.some((key) => Object.hasOwn(value, key))
}

/** Parses the children of `<function_calls>` or `<tool_calls>`, or JSON in their place. */
function elements(body: string): WrittenCall[] | undefined {
  if (/^\s*[{[]/.test(body)) return gather(readJson(body.trim()), callsOf)
  const at = cursor(body)
  const calls: WrittenCall[] = []
  while (!at.done()) {
    const read = element(at)
    if (!read) return undefined
    calls.push(...read)
  }
  return calls
}

function element(at: Cursor): WrittenCall[] | undefined {
  if (at.take('<function_call>')) return named(at, '<tool>', 'args_json', '</function_call>')
  if (at.take('<invoke ')) return invoked(at)
  if (!at.take('<tool_call') || at.until('>') === undefined) return undefined
  if (at.sees('<name>')) return named(at, '<name>', 'arguments', '</tool_call>')
  const body = at.until('</tool_call>')
  return body === undefined ? undefined : tagBody(body.trim())
}

/** `<tool>name</tool><args_json>…</args_json></function_call>`. The arguments may be in CDATA, or missing. */
function named(at: Cursor, open: string, argumentsTag: string, close: string): WrittenCall[] | undefined {
  const name = at.take(open) ? at.until(open.replace('<', '</')) : undefined
  const written = at.take(`<${argumentsTag}>`) ? content(at, `</${argumentsTag}>`) : ''
  return name !== undefined && written !== undefined && at.take(close) ? [{ name, arguments: written }] : undefined
}

/** `name="…"><parameter name="…">…</parameter></invoke>` */
function invoked(at: Cursor): WrittenCall[] | undefined {
  const name = nameAttribute(at.until('>'))
  const texts = new Map<string, string>()
  while (at.take('<parameter ')) {
    const key = nameAttribute(at.until('>'))
    const value = content(at, '</parameter>')
    if (key === undefined || value === undefined) return undefined
    texts.set(key, value)
  }
  return name !== undefined && at.take('</invoke>') ? [{ name, texts }] : undefined
}

function nameAttribute(attributes: string | undefined): string | undefined {
  return /\bname\s*=\s*["']([^"']*)["']/.exec(attributes ?? '')?.[1]
}

function content(at: Cursor, close: string): string | undefined {
  if (!at.take('<![CDATA[')) return at.until(close)
  const text = at.until(']]>')
  return at.take(close) ? text : undefined
}

/** `name(key="value")` or `name{"key":"value"}` */
function code(text: string): WrittenCall[] | undefined {
  const name = /^[\w.-]+/.exec(text)?.[0]
  if (name === undefined) return undefined
  const rest = text.slice(name.length)
  const written = rest.startsWith('(') ? readKeywords(rest) : rest
  return written === undefined ? undefined : [{ name, arguments: written }]
}

/** Reads forward only, so the cost is the length of the text, however malformed it is. */
function cursor(text: string) {
  let at = 0
  const sees = (token: string) => {
    while (/\s/.test(text.charAt(at))) at++
    return text.startsWith(token, at)
  }
  return {
    sees,
    /** Skips white space and then `token`; returns whether `token` was there. */
    take(token: string): boolean {
      const seen = sees(token)
      if (seen) at += token.length
      return seen
    },
    /** Returns the text before `end`, and skips both. */
    until(end: string): string | undefined {
      const to = text.indexOf(end, at)
      if (to < 0) return undefined
      const read = text.slice(at, to)
      at = to + end.length
      return read
    },
    done: () => sees('') && at === text.length,
  }
}
type Cursor = ReturnType<typeof cursor>

/** All calls in one list, or `undefined` as soon as one cannot be parsed. */
function gather<Value>(
  values: readonly Value[] | undefined,
  read: (value: Value) => WrittenCall[] | undefined,
): WrittenCall[] | undefined {
  if (!values) return undefined
  const calls: WrittenCall[] = []
  for (const value of values) {
    const found = read(value)
    if (!found) return undefined
    calls.push(...found)
  }
  return calls
}

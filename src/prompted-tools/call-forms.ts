/**
 * The forms in which models write tool calls. Each is a generator that receives one character at a time and reports
 * where the form ends. It keeps only its position, so the cost does not depend on how a call is split.
 */
export type Form = Generator<Progress, FormVerdict, string>

/** What the text so far would be if the message ended here: still text, a call cut short, or a complete call. */
export type Progress = 'text' | 'unfinished' | 'complete'

export type FormVerdict =
  /** Not this form: the first character is text, and the rest is examined again. */
  | 'no'
  /** All text before this character is plain text after all. */
  | 'text'
  /** A call that ends with this character. */
  | 'call'
  /** The model starts to write the result of a call itself. */
  | 'result'
  /** The line opens or closes a code fence. */
  | 'fence'

type FormParser<Result> = Generator<Progress, Result, string>

const openings = ['<tool_call>', '<tool_calls>', '<function_calls>']
const elements = ['function_call>', 'invoke ', 'tool_call>', 'tool_call ']

/** Keys with which a call may begin. The first two are enough to recognise one. */
const callKeys = ['tool_calls', 'name', 'arguments', 'parameters', 'input', 'args', 'function', 'id', 'type']
const quotedCallKeys = callKeys.flatMap((key) => [`${key}"`, `${key}”`, `${key}'`])

/** Parts that may contain a closing tag as plain text: their start and their end. */
const opaque = {
  json: { '"': '"' },
  native: { '<arg_value>': '</arg_value>' },
  xml: { '<![CDATA[': ']]>', '<parameter ': '</parameter>' },
} as const satisfies Record<string, Record<string, string>>
type Body = keyof typeof opaque

/** The tags with which the form `tagged` begins. */
export const taggedOpenings = [...openings, '<tool_response>']

/** `<tool_call>…</tool_call>` and similar tags. */
export function* tagged(): Form {
  const opening = yield* oneOf(taggedOpenings, 'text')
  if (opening === undefined) return 'no'
  if (opening === '<tool_response>') return 'result'
  const body = yield* bodyOf(opening)
  if (body === undefined) return 'no'
  return body === 'empty' ? 'call' : yield* closing(opening.replace('<', '</'), opaque[body])
}

/** The whole message is one JSON object (or several in a row). */
export function* wholeJson(isTool: (name: string) => boolean): Form {
  yield 'text' // the brace by which the caller recognised the form
  const progress = yield* callObject(isTool)
  return progress ? yield* brackets(progress, '"') : 'no'
}

/** The whole message is `name(key="value")` or `name{"key":"value"}`. */
export function* wholeCode(names: readonly string[]): Form {
  const opening = yield* oneOf(
    names.flatMap((name) => [`${name}(`, `${name}{`]),
    'text',
  )
  if (opening === undefined) return 'no'
  let char = yield* afterSpace('text')
  const [inside, close] = opening.endsWith('(') ? ['=', ')'] : ['"', '}']
  if (char === close) return yield* onlySpace()
  while (inside === '=' && /[\w\s]/.test(char)) char = yield 'text'
  return char === inside ? yield* brackets('unfinished', `"'`, char) : 'no'
}

/** The whole message is one code fence that holds a call in another form. */
export function* wholeFence(isTool: (name: string) => boolean): Form {
  const fence = yield* fenceLine()
  if (fence === undefined) return 'no'
  const char = yield* afterSpace('text')
  const progress = char === '{' ? yield* callObject(isTool) : char === '<' ? yield* restOfOpening() : undefined
  if (!progress) return 'no'
  yield* past(`\n${fence}`, progress)
  for (;;) {
    const after = yield 'complete'
    if (!isSpace(after) && !fence.startsWith(after)) return 'text'
  }
}

function* restOfOpening(): FormParser<Progress | undefined> {
  const rests = openings.map((opening) => opening.slice(1))
  return (yield* oneOf(rests, 'text')) === undefined ? undefined : 'unfinished'
}

/** A line that opens a code fence. */
export function* fenceOpening(): Form {
  return (yield* fenceLine()) === undefined ? 'no' : 'fence'
}

/** A line that closes `fence`, the run of characters that opened it. */
export function* fenceClosing(fence: string): Form {
  let run = 0
  let char = yield 'text'
  for (; fence.startsWith(char); run++) char = yield 'text'
  while (char === ' ' || char === '\t' || char === '\r') char = yield 'text'
  return run >= fence.length && char === '\n' ? 'fence' : 'no'
}

/** The kind of content of a tag, recognised from its beginning; `empty` for a name alone that is already closed. */
function* bodyOf(opening: string): FormParser<Body | 'empty' | undefined> {
  let char = yield* afterSpace('unfinished')
  if (char === '[') char = yield* afterSpace('unfinished')
  if (char === '{') return (yield* oneOfCallKeys('unfinished')) === undefined ? undefined : 'json'
  if (opening !== '<tool_call>')
    return char === '<' && (yield* oneOf(elements, 'unfinished')) !== undefined ? 'xml' : undefined
  if (!/[a-z_]/i.test(char)) return undefined
  while (/[\w.:-]/.test(char)) char = yield 'unfinished'
  if (isSpace(char)) char = yield* afterSpace('unfinished')
  if (char === '{') return 'json'
  if (char !== '<') return undefined
  const next = yield* oneOf(['arg_key>', '/tool_call>'], 'unfinished')
  if (next === undefined) return undefined
  return next === 'arg_key>' ? 'native' : 'empty'
}

/** Reads the first key of an object that is the whole message, and the tool name if that is the first key. */
function* callObject(isTool: (name: string) => boolean): FormParser<Progress | undefined> {
  const key = yield* oneOfCallKeys('text')
  if (key === undefined) return undefined
  if (key !== 'name') return key === 'tool_calls' ? 'unfinished' : 'text'
  if ((yield* afterSpace('text')) !== ':') return undefined
  if (!/["“']/.test(yield* afterSpace('text'))) return undefined
  let name = ''
  for (;;) {
    const char = yield 'text'
    if (/["”']/.test(char)) return isTool(name) ? 'unfinished' : undefined
    if (char === '\n') return undefined
    name += char
  }
}

function* oneOfCallKeys(progress: Progress): FormParser<string | undefined> {
  if (!/["“']/.test(yield* afterSpace(progress))) return undefined
  return (yield* oneOf(quotedCallKeys, progress))?.slice(0, -1)
}

function* closing(close: string, pieces: Record<string, string>): Form {
  let tail = ''
  for (;;) {
    tail = (tail + (yield 'unfinished')).slice(-close.length)
    if (tail === close) return 'call'
    for (const [open, end] of Object.entries(pieces)) {
      if (!tail.endsWith(open)) continue
      yield* past(end, 'unfinished')
      tail = ''
    }
  }
}

/** Reads to the bracket that closes the one already open. After it only further closing brackets may follow. */
function* brackets(progress: Progress, quotes: string, read = ''): Form {
  if (read !== '' && quotes.includes(read)) yield* past(read, progress)
  let depth = 1
  for (;;) {
    const char = yield depth > 0 ? progress : 'complete'
    if (depth === 0 && !/[\s{}\]]/.test(char)) return 'text'
    if (quotes.includes(char)) yield* past(char, progress)
    else if ('{[('.includes(char)) depth++
    else if ('}])'.includes(char)) depth = Math.max(0, depth - 1)
  }
}

function* onlySpace(): Form {
  for (;;) if (!isSpace(yield 'complete')) return 'text'
}

/** The opening characters of a code fence line. If backticks follow in the same line, it is inline code. */
function* fenceLine(): FormParser<string | undefined> {
  let fence = ''
  let char = yield 'text'
  const mark = char
  for (; char === mark; fence += mark) char = yield 'text'
  for (; char !== '\n'; char = yield 'text') if (char === '`' && mark === '`') return undefined
  return fence.length >= 3 ? fence : undefined
}

/**
 * Reads as long as one of `texts` is possible, and returns the one that matched. No text may be the beginning of
 * another.
 */
function* oneOf(texts: readonly string[], progress: Progress): FormParser<string | undefined> {
  let read = ''
  do {
    read += yield progress
    if (!texts.some((text) => text.startsWith(read))) return undefined
  } while (!texts.includes(read))
  return read
}

function* afterSpace(progress: Progress): FormParser<string> {
  for (;;) {
    const char = yield progress
    if (!isSpace(char)) return char
  }
}

/** Reads to the end of `end`. In a quoted string, a backslash escapes the next character. */
function* past(end: string, progress: Progress): FormParser<void> {
  let tail = ''
  while (tail !== end) {
    const char = yield progress
    if (char === '\\' && end.length === 1) yield progress
    else tail = (tail + char).slice(-end.length)
  }
}

function isSpace(char: string): boolean {
  return /\s/.test(char)
}

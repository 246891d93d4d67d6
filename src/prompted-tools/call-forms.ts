/**
 * The ways in which models write tool calls, each as a coroutine that is handed one character at a time and says
 * where the form ends. It keeps nothing but its place, so a call costs the same however it is cut.
 */
export type Form = Generator<Progress, FormVerdict, string>

/** What it would mean if the message ended here: still text, a call cut short, or a call. */
export type Progress = 'text' | 'unfinished' | 'complete'

export type FormVerdict =
  /** Not this form: the first character is text, and the rest deserves another look. */
  | 'no'
  /** All before this character is text after all. */
  | 'text'
  /** A call, this character included. */
  | 'call'
  /** The model starts to write the result of a call by itself. */
  | 'result'
  /** The line is one that opens or closes a code fence. */
  | 'fence'

type Part<Result> = Generator<Progress, Result, string>

const openings = ['<tool_call>', '<tool_calls>', '<function_calls>']
const elements = ['function_call>', 'invoke ', 'tool_call>', 'tool_call ']

/** Keys a call may begin with; by the first two it is surely one. */
const callKeys = ['tool_calls', 'name', 'arguments', 'parameters', 'input', 'args', 'function', 'id', 'type']
const quotedCallKeys = callKeys.flatMap((key) => [`${key}"`, `${key}”`, `${key}'`])

/** Pieces that may hold a closing tag as plain text, with what ends them. */
const opaque = {
  json: { '"': '"' },
  native: { '<arg_value>': '</arg_value>' },
  xml: { '<![CDATA[': ']]>', '<parameter ': '</parameter>' },
} as const satisfies Record<string, Record<string, string>>
type Body = keyof typeof opaque

/** What `tagged` begins with. */
export const taggedOpenings = [...openings, '<tool_response>']

/** `<tool_call>…</tool_call>` and its relatives. */
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
  yield 'text' // the brace by which the form was recognized
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

function* restOfOpening(): Part<Progress | undefined> {
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

/** What a tag holds, read just far enough to know; `empty` when it is a name alone and already closed. */
function* bodyOf(opening: string): Part<Body | 'empty' | undefined> {
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

/** The first key of an object that is a whole message, and the name of the tool if that comes first. */
function* callObject(isTool: (name: string) => boolean): Part<Progress | undefined> {
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

function* oneOfCallKeys(progress: Progress): Part<string | undefined> {
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

/** To the bracket that closes one already open, and then nothing but more of the same. */
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

/** The run of a line that opens a code fence; a run with backticks after it is code inside a line. */
function* fenceLine(): Part<string | undefined> {
  let fence = ''
  let char = yield 'text'
  const mark = char
  for (; char === mark; fence += mark) char = yield 'text'
  for (; char !== '\n'; char = yield 'text') if (char === '`' && mark === '`') return undefined
  return fence.length >= 3 ? fence : undefined
}

/** Reads as long as one of `texts` is possible, then says which it was. No text may begin another. */
function* oneOf(texts: readonly string[], progress: Progress): Part<string | undefined> {
  let read = ''
  do {
    read += yield progress
    if (!texts.some((text) => text.startsWith(read))) return undefined
  } while (!texts.includes(read))
  return read
}

function* afterSpace(progress: Progress): Part<string> {
  for (;;) {
    const char = yield progress
    if (!isSpace(char)) return char
  }
}

/** To the end of `end`. In a quoted string a backslash guards the next character. */
function* past(end: string, progress: Progress): Part<void> {
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

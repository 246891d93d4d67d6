import { GatewayError } from '../../core/errors.ts'

/** What the last user message asks of the demo beside its words. */
export interface Directions {
  /** The words, markers taken out. */
  userText: string
  language?: 'en' | 'zh'
  /** Refuses the request before the first delta. */
  refusal?: GatewayError
  /** Before the first delta. */
  silenceMs: number
  /** Between two deltas. */
  paceMs?: number
  think: boolean
  json: boolean
  badJson: boolean
  loop: boolean
  empty: boolean
  /** Length of the answer. */
  words?: number
  /** How many tools to call, whichever they are. */
  callCount: number
  calls: WishedCall[]
  ending: Ending
}

/** `value` is JSON text; without it the arguments are made up. */
export interface WishedCall {
  name: string
  value?: string
}

export type Ending = 'whole' | 'length' | 'content-filter' | 'error' | 'cut' | 'stall'

interface Marker {
  /** `[name]`, `[name:ARGUMENT]`. */
  marker: string
  effect: string
  /** What the marker directs; `undefined` when its argument makes no sense, and then it is plain text. */
  read(argument: string): Partial<Directions> | undefined
}

const rows: readonly Marker[] = [
  flag('[think]', 'thinks first, whatever the request says', { think: true }),
  {
    marker: '[tool:NAME]',
    effect: 'calls the tool NAME; `[tool:NAME {"city":"Paris"}]` with exactly these arguments',
    read: wishedCall,
  },
  {
    marker: '[tools:N]',
    effect: 'calls N tools in parallel',
    read: (argument) => counted(argument, 2, 32, (callCount) => ({ callCount })),
  },
  flag('[json]', 'answers with a JSON object', { json: true }),
  flag('[bad-json]', 'answers with half a JSON object, also where JSON is asked for', { badJson: true }),
  flag('[chinese]', 'answers in Chinese', { language: 'zh' }),
  {
    marker: '[long:N]',
    effect: 'answers with N words (500 without N)',
    read: (argument) => counted(argument, 500, 100_000, (words) => ({ words })),
  },
  flag('[loop]', 'repeats one sentence 4,000 times', { loop: true }),
  flag('[empty]', 'answers nothing', { empty: true }),
  flag('[slow]', 'speaks twice a second', { paceMs: 500 }),
  flag('[fast]', 'speaks without pauses', { paceMs: 0 }),
  {
    marker: '[silence:MS]',
    effect: 'says nothing for MS milliseconds, then answers (without MS: never)',
    read: (argument) => counted(argument, Number.POSITIVE_INFINITY, 86_400_000, (silenceMs) => ({ silenceMs })),
  },
  flag('[stall]', 'falls silent for ever in the middle', { ending: 'stall' }),
  flag('[cut]', 'breaks off in the middle without a word', { ending: 'cut' }),
  flag('[error-mid]', 'fails in the middle', { ending: 'error' }),
  flag('[length]', 'stops in the middle for length', { ending: 'length' }),
  flag('[filter]', 'stops in the middle for its content', { ending: 'content-filter' }),
  refusal('[401]', "refuses the gateway's own credential", 'upstream-auth'),
  refusal('[402]', 'has no quota left', 'quota-exhausted'),
  refusal('[429]', 'is asked too often', 'rate-limited', { retryAfterMs: 2_000 }),
  refusal('[500]', 'is down', 'upstream-unavailable'),
  refusal('[captcha]', 'wants a browser check', 'upstream-blocked', { code: 'captcha_required' }),
  {
    ...refusal('[overflow]', 'finds the conversation too long', 'context-overflow'),
    effect: 'finds the conversation too long: HTTP 400, and 413 as Anthropic has it',
  },
]

/** What can be written into the last user message, and what it does. */
export const markers: readonly { marker: string; effect: string }[] = rows.map(({ marker, effect }) => ({
  marker,
  effect,
}))

const rowOf = new Map(rows.map((row) => [/[^[\]:]+/.exec(row.marker)?.[0], row]))

/** Longest argument of a marker: a search for its end must not go through a whole book. */
const longestArgument = 4_000
/** Ends of arguments that are tried in one text, for each costs a look at the argument; nobody writes so many. */
const mostEnds = 2_000

/** Reads the markers out of a user's text. What is no marker stays what it is. */
export function directions(text: string): Directions {
  const calls: WishedCall[] = []
  let found: Omit<Directions, 'userText'> = {
    silenceMs: 0,
    think: false,
    json: false,
    badJson: false,
    loop: false,
    empty: false,
    callCount: 0,
    calls,
    ending: 'whole',
  }
  let userText = ''
  let from = 0
  let endsLeft = mostEnds
  for (const { 0: opening, 1: name, index } of text.matchAll(/\[([a-z0-9-]+)[:\]]/gi)) {
    const row = rowOf.get(name?.toLowerCase())
    if (row === undefined || index < from) continue
    const marker = opening.endsWith(']')
      ? { directed: row.read(''), end: index + opening.length }
      : argued(row, index + opening.length)
    if (marker?.directed === undefined) continue
    calls.push(...(marker.directed.calls ?? []))
    found = { ...found, ...marker.directed, calls }
    userText += text.slice(from, index)
    from = marker.end
  }
  return { ...found, userText: (userText + text.slice(from)).trim() }

  /** A marker with an argument ends at the first bracket that gives the argument a meaning: JSON has brackets too. */
  function argued(row: Marker, start: number): { directed: Partial<Directions>; end: number } | undefined {
    const window = text.slice(start, start + longestArgument)
    for (let end = window.indexOf(']'); end >= 0 && endsLeft > 0; end = window.indexOf(']', end + 1)) {
      endsLeft--
      const directed = end === 0 ? undefined : row.read(window.slice(0, end))
      if (directed) return { directed, end: start + end + 1 }
    }
    return undefined
  }
}

function flag(marker: string, effect: string, directed: Partial<Directions>): Marker {
  return { marker, effect, read: (argument) => (argument === '' ? directed : undefined) }
}

type Refused = ConstructorParameters<typeof GatewayError>

function refusal(marker: string, does: string, kind: Refused[0], facts?: Refused[2]): Marker {
  const error = () => new GatewayError(kind, `The demo ${does}, as ${marker} in your message asks it to.`, facts)
  return {
    marker,
    effect: `${does}: HTTP ${error().status}`,
    read: (argument) => (argument === '' ? { refusal: error() } : undefined),
  }
}

/** A whole number from 1 to `most`; `otherwise` where none is written. */
function counted(
  argument: string,
  otherwise: number,
  most: number,
  direct: (count: number) => Partial<Directions>,
): Partial<Directions> | undefined {
  if (argument === '') return direct(otherwise)
  const count = Number(argument)
  return /^\d+$/.test(argument) && count > 0 ? direct(Math.min(count, most)) : undefined
}

/** `NAME`, or `NAME {json}`. */
function wishedCall(argument: string): Partial<Directions> | undefined {
  const [, name, value] = /^\s*([\w.:-]+)\s*(\{.*\})?\s*$/s.exec(argument) ?? []
  if (name === undefined) return undefined
  if (value === undefined) return { calls: [{ name }] }
  return isJson(value) ? { calls: [{ name, value }] } : undefined
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

import { GatewayError } from '../../core/errors.ts'
import { parseJson } from '../../core/json.ts'

/** What the markers in the last user message ask for. */
export interface Directions {
  /** The message without its markers. */
  userText: string
  language?: 'en' | 'zh'
  /** Reject the request before the first delta. */
  refusal?: GatewayError
  /** Milliseconds before the first delta. */
  silenceMs: number
  /** Milliseconds between two deltas. */
  paceMs?: number
  think: boolean
  json: boolean
  badJson: boolean
  loop: boolean
  empty: boolean
  /** Length of the answer, in words. */
  words?: number
  /** Number of tools to call, in the order they are offered. */
  callCount: number
  calls: RequestedCall[]
  ending: ScriptedEnding
}

/** A requested call. `value` is JSON text; without it example arguments are used. */
export interface RequestedCall {
  name: string
  value?: string
}

export type ScriptedEnding = 'whole' | 'length' | 'content-filter' | 'error' | 'cut' | 'stall'

interface Marker {
  /** `[name]`, `[name:ARGUMENT]`. */
  marker: string
  effect: string
  /** The effect for this argument; `undefined` if the argument is not valid, and then the marker is plain text. */
  read(argument: string): Partial<Directions> | undefined
}

const rows: readonly Marker[] = [
  flag('[think]', 'thinks first, whatever the request says', { think: true }),
  {
    marker: '[tool:NAME]',
    effect: 'calls the tool NAME; `[tool:NAME {"city":"Paris"}]` with exactly these arguments',
    read: requestedCall,
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

/** The available markers, and what they do. */
export const markers: readonly { marker: string; effect: string }[] = rows.map(({ marker, effect }) => ({
  marker,
  effect,
}))

const rowOf = new Map(rows.map((row) => [/[^[\]:]+/.exec(row.marker)?.[0], row]))

/** Longest argument of a marker, so that the search for its end does not read a whole book. */
const longestArgument = 4_000
/** Ends of arguments tried per text, since each try parses the argument. Real texts have far fewer. */
const maxEnds = 2_000

/** Reads the markers in a user's text. Anything else stays text. */
export function directions(text: string): Directions {
  const calls: RequestedCall[] = []
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
  let endsLeft = maxEnds
  for (const { 0: opening, 1: name, index } of text.matchAll(/\[([a-z0-9-]+)[:\]]/gi)) {
    const row = rowOf.get(name?.toLowerCase())
    if (row === undefined || index < from) continue
    const marker = opening.endsWith(']')
      ? { directed: row.read(''), end: index + opening.length }
      : readWithArgument(row, index + opening.length)
    if (marker?.directed === undefined) continue
    calls.push(...(marker.directed.calls ?? []))
    found = { ...found, ...marker.directed, calls }
    userText += text.slice(from, index)
    from = marker.end
  }
  return { ...found, userText: (userText + text.slice(from)).trim() }

  /**
   * Finds the end of a marker with an argument: the first bracket that makes the argument valid, since JSON has
   * brackets too.
   */
  function readWithArgument(row: Marker, start: number): { directed: Partial<Directions>; end: number } | undefined {
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

/** Reads a whole number from 1 to `most`; `otherwise` is used if the argument is empty. */
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

/** Reads `NAME` or `NAME {json}`. */
function requestedCall(argument: string): Partial<Directions> | undefined {
  const [, name, value] = /^\s*([\w.:-]+)\s*(\{.*\})?\s*$/s.exec(argument) ?? []
  if (name === undefined) return undefined
  if (value === undefined) return { calls: [{ name }] }
  return isJson(value) ? { calls: [{ name, value }] } : undefined
}

function isJson(text: string): boolean {
  return parseJson(text) !== undefined
}

import { isRecord, parseJson } from '../../core/json.ts'

/** The start of the JSON arguments of a freeform tool: `{"input":"` with any spacing. */
const opening = /^\s*\{\s*"input"\s*:\s*"/

/** Whole escapes and plain characters, up to the string's end. An incomplete escape waits for the next piece. */
const readable = /^(?:[^"\\]+|\\u[0-9a-fA-F]{4}|\\[^u])*/

const escapes: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

/**
 * Reads the text of a freeform call out of its JSON arguments while they arrive: returns what each piece adds to the
 * text. Arguments of another form add nothing; `customInput` reads them at the end.
 */
function inputReader(): (piece: string) => string {
  let unread = ''
  // The first half of a surrogate pair is held back.
  let half = ''
  let inside = false
  let over = false

  return (piece) => {
    if (over) return ''
    unread += piece
    if (!inside) {
      const start = opening.exec(unread)?.[0]
      if (start === undefined) return ''
      inside = true
      unread = unread.slice(start.length)
    }
    const raw = readable.exec(unread)?.[0] ?? ''
    unread = unread.slice(raw.length)
    over = unread.startsWith('"')
    const text = half + unescaped(raw)
    half = over ? '' : (/[\ud800-\udbff]$/.exec(text)?.[0] ?? '')
    return text.slice(0, text.length - half.length)
  }
}

function unescaped(raw: string): string {
  return raw.replace(/\\(?:u(.{4})|(.))/gs, (_, hex?: string, char = '') =>
    hex === undefined ? (escapes[char] ?? char) : String.fromCharCode(Number.parseInt(hex, 16)),
  )
}

/** The text of one freeform call, read while its arguments arrive. */
export interface RunningInput {
  /** Returns what a piece of the arguments adds to the text. */
  push(piece: string): string
  /** Returns the whole text, read from the whole arguments, and the part of it that `push` has not returned. */
  end(args: string): { input: string; rest: string }
}

export function runningInput(): RunningInput {
  const read = inputReader()
  let sent = ''
  return {
    push(piece) {
      const text = read(piece)
      sent += text
      return text
    },
    end(args) {
      const input = customInput(args)
      return { input, rest: input.startsWith(sent) ? input.slice(sent.length) : '' }
    },
  }
}

/** The arguments of a freeform call that `customInput` can read: `input`, or one text under another name. */
export const readableInput = {
  type: 'object',
  anyOf: [
    { properties: { input: { type: 'string' } }, required: ['input'] },
    { minProperties: 1, maxProperties: 1, additionalProperties: { type: 'string' } },
  ],
}

/** The text of a freeform call. A call that was cut keeps its text so far, wrapped in JSON or not. */
export function customInput(args: string): string {
  const { input, ...others } = parsed(args) ?? {}
  if (typeof input === 'string') return input
  const [only, ...more] = Object.values(others)
  if (input === undefined && typeof only === 'string' && more.length === 0) return only
  return inputReader()(args) || args
}

/** The arguments of a call as an object; `undefined` for a call that was cut in the middle. */
export function parsed(args: string): Record<string, unknown> | undefined {
  const value = parseJson(args)
  return isRecord(value) ? value : undefined
}

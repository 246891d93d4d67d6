import type { ModelTurn, Part, Progress, TrySettings, Turn } from './transcript.ts'

/** How one API is asked, and how its stream is read. */
export interface TryDialect {
  id: string
  label: string
  path: (model: string) => string
  /** Its stream has an event a line; otherwise they are server-sent events. */
  isLines?: boolean
  /** The header in which a request sends its key. */
  keyHeader: (key: string) => readonly [string, string]
  headers: Readonly<Record<string, string>>
  /** The call of the vendor's library that makes the same request; without it, only curl is offered. */
  sdk?: { library: 'openai' | 'anthropic'; method: string; print: string }
  /** It has one text and no messages. */
  isPrompt?: true
  body: (turns: readonly Turn[], settings: TrySettings) => Record<string, unknown>
  /** Whether the first event of a stream is of this API. */
  isOwn: (event: Data) => boolean
  /** Adds what one event says. `at` is in ms from the start. */
  take: (progress: Progress, event: string | undefined, data: Data, at: number) => void
}

// biome-ignore lint/suspicious/noExplicitAny: the events of any API, each field of which may be absent
export type Data = any

export const bearer = (key: string) => ['authorization', `Bearer ${key}`] as const

/** Adds text to the last part if it is of this kind, otherwise a new part. */
export function addText(progress: Progress, type: 'text' | 'reasoning', text: unknown, at: number): void {
  if (typeof text !== 'string' || text === '') return
  const last = progress.parts.at(-1)
  if (last?.type === type) {
    last.text += text
    if (last.type === 'reasoning') last.ms = at - (begun.get(last) ?? at)
    return
  }
  const part: Part = type === 'text' ? { type, text } : { type, text, ms: 0 }
  begun.set(part, at)
  progress.parts.push(part)
}

/** When a part began, in ms from the start. */
const begun = new WeakMap<Part, number>()

export const calls = (turn: ModelTurn) => turn.parts.filter((part) => part.type === 'call')
export const textOf = (turn: ModelTurn) =>
  turn.parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n')

export function argumentsOf(text: string): unknown {
  try {
    return JSON.parse(text || '{}')
  } catch {
    return {}
  }
}

/** The parts of an image's address: `data:image/png;base64,…`. */
export function dataOf(url: string): { mediaType: string; base64: string } {
  const [, mediaType = '', base64 = ''] = /^data:([^;]+);base64,(.*)$/s.exec(url) ?? []
  return { mediaType, base64 }
}

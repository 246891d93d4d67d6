import type { Reasoning } from '../../core/request.ts'

/**
 * The meaning of each word; `undefined` for those that leave the effort to the model. OpenAI's words come first, in
 * ascending order, then those of routers and clients that offer a switch. Below `low` GLM can only turn reasoning off.
 * Source: OpenAI's API reference; Z.AI's of 2026-07, whose models read `minimal` as `none`.
 */
const efforts = new Map<string, Reasoning | undefined>([
  ['none', { mode: 'off' }],
  ['minimal', { mode: 'off' }],
  ['low', { mode: 'on', effort: 'low' }],
  ['medium', { mode: 'on', effort: 'medium' }],
  ['high', { mode: 'on', effort: 'high' }],
  ['xhigh', { mode: 'on', effort: 'max' }],
  ['max', { mode: 'on', effort: 'max' }],
  ['', undefined],
  ['auto', undefined],
  ['default', undefined],
  ['off', { mode: 'off' }],
  ['disabled', { mode: 'off' }],
  ['false', { mode: 'off' }],
  ['min', { mode: 'off' }],
  ['on', { mode: 'on' }],
  ['enabled', { mode: 'on' }],
  ['true', { mode: 'on' }],
])

export interface DecodedEffort {
  /** Absent if the client asks for nothing. */
  reasoning?: Reasoning | undefined
  /** The name of the option with its value, if the value is unknown. */
  ignored: string[]
}

/**
 * An effort as clients write it. An unknown value is ignored, because an optional word is no reason to refuse a
 * request.
 */
export function decodeEffort(value: unknown, param: string): DecodedEffort {
  if (value === undefined || value === null) return { ignored: [] }
  const word = typeof value === 'string' || typeof value === 'boolean' ? String(value).trim().toLowerCase() : undefined
  if (word === undefined || !efforts.has(word)) return { ignored: [ignoredValue(param, value)] }
  return { reasoning: efforts.get(word), ignored: [] }
}

/** A longer value, or one with spaces, may be a prompt, which must not appear in a header or in the log. */
const wordAlone = /^[\p{L}\p{N}_.+-]{1,24}$/u

/**
 * The name under which an option with an unknown value is reported: `reasoning_effort (ultra)`, without the value if it
 * is not a single word.
 */
export function ignoredValue(param: string, value: unknown): string {
  const word = typeof value === 'object' ? '' : String(value)
  return wordAlone.test(word) ? `${param} (${word})` : param
}

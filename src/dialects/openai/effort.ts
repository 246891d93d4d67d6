import type { Reasoning } from '../../core/request.ts'

/**
 * What each word asks for; nothing for those that leave the effort to the model. OpenAI's words come first, least
 * first, then those of routers and clients that offer a switch. Below `low` GLM knows nothing but not to think.
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
  /** Missing where nothing is asked. */
  asked?: Reasoning | undefined
  /** The name of the option, with its value, where the value means nothing here. */
  ignored: string[]
}

/** An effort as clients write it. An optional word is no reason to refuse a request: one nobody knows is ignored. */
export function decodeEffort(value: unknown, param: string): DecodedEffort {
  if (value === undefined || value === null) return { ignored: [] }
  const word = typeof value === 'string' || typeof value === 'boolean' ? String(value).trim().toLowerCase() : undefined
  if (word === undefined || !efforts.has(word)) return { ignored: [ignoredValue(param, value)] }
  return { asked: efforts.get(word), ignored: [] }
}

/** Longer ones, or with spaces, may be a prompt, which no header and no log tells. */
const wordAlone = /^[\p{L}\p{N}_.+-]{1,24}$/u

/** How an option is named whose value is not known: `reasoning_effort (ultra)`, without the value where it is no word. */
export function ignoredValue(param: string, value: unknown): string {
  const word = typeof value === 'object' ? '' : String(value)
  return wordAlone.test(word) ? `${param} (${word})` : param
}

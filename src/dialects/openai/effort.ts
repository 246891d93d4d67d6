import { brief } from '../../core/brief.ts'
import { GatewayError } from '../../core/errors.ts'
import type { Reasoning } from '../../core/request.ts'

/**
 * OpenAI's words, least first, and GLM's `max`. Below `low` GLM knows nothing but not to think.
 * Source: OpenAI's API reference; Z.AI's of 2026-07, whose models read `minimal` as `none`.
 */
const efforts = {
  none: { mode: 'off' },
  minimal: { mode: 'off' },
  low: { mode: 'on', effort: 'low' },
  medium: { mode: 'on', effort: 'medium' },
  high: { mode: 'on', effort: 'high' },
  xhigh: { mode: 'on', effort: 'max' },
  max: { mode: 'on', effort: 'max' },
} as const satisfies Record<string, Reasoning>

/** `undefined` where nothing is asked. Errors: `invalid-request` for a word nobody has defined. */
export function decodeEffort(word: string | null | undefined, param: string): Reasoning | undefined {
  if (!word) return undefined
  if (isEffort(word)) return efforts[word]
  throw new GatewayError(
    'invalid-request',
    `${param}: ${JSON.stringify(brief(word))} is not among ${Object.keys(efforts).join(', ')}.`,
    { param },
  )
}

function isEffort(word: string): word is keyof typeof efforts {
  return Object.hasOwn(efforts, word)
}

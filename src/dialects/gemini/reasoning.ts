import type { Reasoning } from '../../core/request.ts'
import { decodeEffort } from '../openai/effort.ts'
import type { GenerationConfig } from './schema.ts'

const param = 'generationConfig.thinkingConfig'

/**
 * A budget of 0 switches reasoning off and -1 leaves its length to the model. A level is an effort. Without either the
 * model decides, as Gemini does; only a client that wants to see thoughts asks for some.
 */
export function decodeReasoning(config: GenerationConfig['thinkingConfig']): {
  reasoning: Reasoning
  ignored: string[]
} {
  const { thinkingBudget: budget, thinkingLevel: level, includeThoughts } = config ?? {}
  const isLevel = Boolean(level) && level !== 'THINKING_LEVEL_UNSPECIFIED'
  const { reasoning: effort, ignored } = decodeEffort(isLevel ? level : undefined, `${param}.thinkingLevel`)
  if (budget === 0) return { reasoning: { mode: 'off' }, ignored }
  if (effort?.mode === 'off') return { reasoning: effort, ignored }
  const isOn = typeof budget === 'number' || effort !== undefined || includeThoughts === true
  return {
    reasoning: {
      mode: isOn ? 'on' : 'default',
      effort: effort?.effort,
      budgetTokens: typeof budget === 'number' && budget > 0 ? budget : undefined,
    },
    ignored,
  }
}

import { ignoredValue } from './effort.ts'

/** GLM has no such option, so it becomes a sentence. `medium` is what a model does anyway. */
const rules = new Map([
  ['low', 'Keep the answer short: what was asked for and nothing else.'],
  ['medium', undefined],
  ['high', 'Answer in detail and at length.'],
])

/** The sentence for the system prompt that asks for long or short replies, or the name of an ignored value. */
export function decodeVerbosity(value: unknown, param: string): { rule?: string | undefined; ignored: string[] } {
  if (value === undefined || value === null) return { ignored: [] }
  if (typeof value === 'string' && rules.has(value)) return { rule: rules.get(value), ignored: [] }
  return { ignored: [ignoredValue(param, value)] }
}

import { ignoredValue } from './effort.ts'

/** GLM has no such option, so it is said in words; `medium` is what a model does anyway. */
const rules = new Map([
  ['low', 'Keep the answer short: what was asked for and nothing else.'],
  ['medium', undefined],
  ['high', 'Answer in detail and at length.'],
])

/** What a wish for long or short answers becomes: a sentence for the system prompt, or the name of what is ignored. */
export function decodeVerbosity(value: unknown, param: string): { rule?: string | undefined; ignored: string[] } {
  if (value === undefined || value === null) return { ignored: [] }
  if (typeof value === 'string' && rules.has(value)) return { rule: rules.get(value), ignored: [] }
  return { ignored: [ignoredValue(param, value)] }
}

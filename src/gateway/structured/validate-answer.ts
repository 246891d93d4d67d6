import { isRecord } from '../../core/json.ts'
import type { OutputFormat } from '../../core/request.ts'
import { isShallow, maxDepth } from '../../json/lenient-json.ts'
import { repairArguments } from '../../json/repair.ts'
import { type JsonCandidate, jsonCandidates } from './json-candidates.ts'
import type { Checker } from './schema-compiler.ts'

/** The answer as JSON text, or its violations: at least one, the most important first. */
export type AnswerVerdict = { text: string } | { violations: string[] }

/**
 * Validates an answer that has to be JSON. Code fences, a byte order mark and text around the value are removed. A value
 * of the wrong type is converted if the schema allows only one conversion. Nothing else is added, removed or changed.
 */
export function validateAnswer(
  answer: string,
  { schema }: Extract<OutputFormat, { type: 'json' }>,
  check: Checker,
): AnswerVerdict {
  const candidates = jsonCandidates(answer)
  const [best] = candidates
  if (best === undefined) return { violations: ['the answer is not JSON'] }
  if (schema !== undefined && !isShallow(best.value))
    return { violations: [`the value is nested deeper than ${maxDepth} levels`] }
  const fitting = candidates.filter(({ value }) => check(value).length === 0)
  const converted =
    fitting.length > 0 || schema === undefined ? [] : candidates.flatMap((found) => convert(found, schema))
  const accepted = fitting.length > 0 ? fitting : converted.filter(({ value }) => check(value).length === 0)
  const [first, second] = accepted
  if (second !== undefined) return { violations: ['the answer holds more than one JSON value'] }
  return first === undefined ? { violations: check(best.value) } : { text: first.text }
}

function convert({ value }: JsonCandidate, schema: Record<string, unknown>): JsonCandidate[] {
  if (!isRecord(value)) return []
  const repaired = repairArguments(value, schema)
  return repaired.ok ? [{ value: repaired.value, text: JSON.stringify(repaired.value) }] : []
}

/** The check for `json_object`, which guarantees an object. */
export const checkObject: Checker = (value) => (isRecord(value) ? [] : ['the value must be an object'])

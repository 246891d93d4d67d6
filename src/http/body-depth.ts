import { invalidField } from '../core/errors.ts'
import { tooDeep } from '../core/nesting-depth.ts'
import { fieldPath } from '../core/truncate.ts'

/** Objects and lists inside each other. JSON schemas of real tools have 30 or so. */
const mostLevels = 256

/**
 * Refuses a body that is nested deeper than anybody means: what reads it goes down level by level, and would run out of
 * stack, or of time. Errors: `invalid-request`, naming the field.
 */
export function rejectDeepNesting(body: unknown): void {
  const path = tooDeep(body, mostLevels)
  if (path === undefined) return
  const param = fieldPath(path.slice(0, 3))
  throw invalidField(param, `nested deeper than ${mostLevels} levels`, { code: 'too_deep' })
}

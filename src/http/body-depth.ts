import { invalidField } from '../core/errors.ts'
import { tooDeep } from '../core/nesting-depth.ts'
import { fieldPath } from '../core/truncate.ts'

/** Objects and lists inside each other. The JSON schemas of real tools have about 30 levels. */
const mostLevels = 256

/**
 * Refuses a body that is nested deeper than any real one, because the functions that read it are recursive and would
 * run out of stack or time. Errors: `invalid-request`, naming the field.
 */
export function rejectDeepNesting(body: unknown): void {
  const path = tooDeep(body, mostLevels)
  if (path === undefined) return
  const param = fieldPath(path.slice(0, 3))
  throw invalidField(param, `nested deeper than ${mostLevels} levels`, { code: 'too_deep' })
}

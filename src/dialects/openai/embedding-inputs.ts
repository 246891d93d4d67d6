import { invalidField } from '../../core/errors.ts'

/** OpenAI's limit for one request. */
const mostInputs = 2_048

/**
 * `field` is the client's name for the list, `pathOf` for the text at an index. Errors: `invalid-request` for more texts
 * than one request may have, and for an empty one.
 */
export function rejectInputs(
  inputs: readonly unknown[],
  field: string,
  pathOf: (index: number) => string = (index) => `${field}.${index}`,
): void {
  if (inputs.length > mostInputs)
    throw invalidField(field, `expected at most ${mostInputs} texts, got ${inputs.length}.`)
  const empty = inputs.indexOf('')
  if (empty >= 0) throw invalidField(pathOf(empty), 'expected some text.')
}

import { invalidField } from '../../core/errors.ts'

/** OpenAI's limit for one request. */
const mostInputs = 2_048

/** Errors: `invalid-request` for more texts than one request may have. */
export function rejectMany(inputs: readonly unknown[]): void {
  if (inputs.length > mostInputs)
    throw invalidField('input', `expected at most ${mostInputs} texts, got ${inputs.length}.`)
}

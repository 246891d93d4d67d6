import { loadValidation, type Validate } from '../../src/gateway/structured/validation.ts'

/** Judges in this thread: what a schema says does not depend on where it is read. */
export const validateHere: Validate = async (job) => (await loadValidation())(job)

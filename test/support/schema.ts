import { loadValidation, type Validate } from '../../src/gateway/structured/validation.ts'

/** Validates in this thread, because the result does not depend on the thread. */
export const validateHere: Validate = async (job) => (await loadValidation())(job)

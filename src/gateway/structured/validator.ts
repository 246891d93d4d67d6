import { checkObject, validateAnswer } from './validate-answer.ts'
import { type Validate, type ValidationJob, withoutSchemas } from './validation.ts'
import { createWorkerQueue, type WorkerFailure, type WorkerQueueOptions } from './worker-queue.ts'

export interface ValidatorOptions extends Omit<WorkerQueueOptions, 'jobMs'> {
  /** Milliseconds of a thread: what nearly every job needs a hundredth of, and what no schema is worth more than. */
  quickMs?: number
  patientMs?: number
}

/** Larger ones are nobody's, and compiling takes a thousand times the memory. In UTF-16 units. */
const longestSchema = 1_000_000
const longestText = 8_000_000

/** Schemas that are known to need patience. */
const mostSlow = 1_000

/**
 * Judges by schemas of clients in threads of their own, so that none holds up other requests, whatever it asks for.
 *
 * A job gets a quarter of a second of a thread that serves all; one that needs more is ended, and done again in a
 * second thread, where it waits behind its like. So a client whose schemas take for ever delays those of others by a
 * quarter of a second each, and once only: they are known afterwards. What is not judged in the end is handed out, as
 * clean JSON, and said to be unchecked: the answer may be good, and the schema is what is at fault.
 */
export function createValidator({ quickMs = 250, patientMs = 5_000, ...shared }: ValidatorOptions): Validate {
  const quick = createWorkerQueue({ ...shared, jobMs: quickMs })
  const patient = createWorkerQueue({ ...shared, jobMs: patientMs })
  const slow = new Set<number | bigint>()
  const reasons = {
    'too slow': `judging by it took longer than ${patientMs / 1000} s`,
    'too large': `it has more than ${longestSchema} characters, or the answer more than ${longestText}`,
    'too much memory': 'judging by it took too much memory',
    'too many': 'too many others were to be judged',
    'not started': 'no thread could be started to judge by it',
    broken: 'judging by it failed',
  } satisfies Record<WorkerFailure | 'too large', string>

  return async (job, signal) => {
    if (job.type === 'answer' && job.schema === undefined && isShort(job.text))
      return { verdict: validateAnswer(job.text, { type: 'json' }, checkObject) }
    const judged = await judgedBy(job, signal)
    if (typeof judged !== 'string') return judged
    // The form of the text costs its length, and can be told without the schema.
    const read = isLong(job.text) ? undefined : await quick(withoutSchemas(job), 'first', signal)
    const verdict = typeof read === 'object' ? read.verdict : { text: job.text }
    return { verdict, unchecked: reasons[judged] }
  }

  async function judgedBy(job: ValidationJob, signal: AbortSignal) {
    const schemas = schemasOf(job)
    if (isLong(job.text) || schemas.some(({ length }) => length > longestSchema)) return 'too large'
    const key = Bun.hash(schemas.join('\n'))
    const judged = slow.has(key) ? 'too slow' : await quick(job, isPlain(job) ? 'first' : 'last', signal)
    if (judged !== 'too slow') return judged
    remember(key)
    return patient(job, 'last', signal)
  }

  function remember(key: number | bigint): void {
    slow.delete(key)
    slow.add(key)
    const [oldest] = slow
    if (slow.size > mostSlow && oldest !== undefined) slow.delete(oldest)
  }
}

/** Read in a millisecond or two. */
function isShort(text: string): boolean {
  return text.length < 65_536
}

function isLong(text: string): boolean {
  return text.length > longestText
}

function schemasOf(job: ValidationJob): string[] {
  const schemas = job.type === 'answer' ? [job.schema] : [job.strict, job.readable]
  return schemas.filter((schema) => schema !== undefined)
}

/** Keywords whose cost is not the length of what is judged. */
const costly =
  /"(?:pattern|patternProperties|uniqueItems|contains|anyOf|oneOf|allOf|not|if|dependencies|dependentSchemas|\$ref|\$dynamicRef|\$recursiveRef|unevaluated\w+)"/

/** Surely a matter of milliseconds: it need not wait for those that may be none. */
function isPlain(job: ValidationJob): boolean {
  return isShort(job.text) && schemasOf(job).every((schema) => schema.length < 16_384 && !costly.test(schema))
}

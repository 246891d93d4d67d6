import { lruCache } from '../../core/lru-cache.ts'
import { checkObject, validateAnswer } from './validate-answer.ts'
import { type Validate, type ValidationJob, withoutSchemas } from './validation.ts'
import { createWorkerQueue, type WorkerFailure, type WorkerQueueOptions } from './worker-queue.ts'

export interface ValidatorOptions extends Omit<WorkerQueueOptions, 'jobMs'> {
  /** Milliseconds for a job in the first thread. Nearly every job takes a hundredth of it. */
  quickMs?: number
  /** Milliseconds for a slow job in the second thread, after which it is given up. */
  patientMs?: number
}

/** In UTF-16 code units. Real schemas are smaller, and compiling one takes a thousand times its memory. */
const maxSchemaLength = 1_000_000
const maxTextLength = 8_000_000

/** The number of schemas that are remembered as slow. */
const maxSlow = 1_000

/**
 * Validates against schemas of clients in worker threads, so that no schema holds up other requests.
 *
 * A job gets 250 ms of a thread that serves all jobs. A slower job is ended and started again in a second thread, where
 * it waits for other slow ones. Its schema is remembered as slow, so each slow schema delays other clients only once, by
 * 250 ms. An answer that could not be validated is still delivered as clean JSON, and `unchecked` says why: the
 * answer may be good, and the schema is the problem.
 */
export function createValidator({ quickMs = 250, patientMs = 5_000, ...shared }: ValidatorOptions): Validate {
  const quick = createWorkerQueue({ ...shared, jobMs: quickMs })
  const patient = createWorkerQueue({ ...shared, jobMs: patientMs })
  const slow = lruCache<number | bigint, true>({ maxEntries: maxSlow })
  const reasons = {
    'too slow': `judging by it took longer than ${patientMs / 1000} s`,
    'too large': `it has more than ${maxSchemaLength} characters, or the answer more than ${maxTextLength}`,
    'too much memory': 'judging by it took too much memory',
    'too many': 'too many others were to be judged',
    'not started': 'no thread could be started to judge by it',
    broken: 'judging by it failed',
  } satisfies Record<WorkerFailure | 'too large', string>

  return async (job, signal) => {
    if (job.type === 'answer' && job.schema === undefined && isShort(job.text))
      return { verdict: validateAnswer(job.text, { type: 'json' }, checkObject) }
    const validated = await validateInThread(job, signal)
    if (typeof validated !== 'string') return validated
    // Without the schema, checking takes time in proportion to the length of the text only.
    const read = isLong(job.text) ? undefined : await quick(withoutSchemas(job), 'first', signal)
    const verdict = typeof read === 'object' ? read.verdict : { text: job.text }
    return { verdict, unchecked: reasons[validated] }
  }

  async function validateInThread(job: ValidationJob, signal: AbortSignal) {
    const schemas = schemasOf(job)
    if (isLong(job.text) || schemas.some(({ length }) => length > maxSchemaLength)) return 'too large'
    const key = Bun.hash(schemas.join('\n'))
    const validated = slow.get(key) ? 'too slow' : await quick(job, isPlain(job) ? 'first' : 'last', signal)
    if (validated !== 'too slow') return validated
    slow.set(key, true)
    return patient(job, 'last', signal)
  }
}

/** Whether parsing takes a millisecond or two at most, so that it needs no thread. */
function isShort(text: string): boolean {
  return text.length < 65_536
}

function isLong(text: string): boolean {
  return text.length > maxTextLength
}

function schemasOf(job: ValidationJob): string[] {
  const schemas = job.type === 'answer' ? [job.schema] : [job.strict, job.readable]
  return schemas.filter((schema) => schema !== undefined)
}

/** Keywords whose cost is not proportional to the length of the text. */
const costly =
  /"(?:pattern|patternProperties|uniqueItems|contains|anyOf|oneOf|allOf|not|if|dependencies|dependentSchemas|\$ref|\$dynamicRef|\$recursiveRef|unevaluated\w+)"/

/** Whether a job certainly takes milliseconds. Such jobs are done before those that may take longer. */
function isPlain(job: ValidationJob): boolean {
  return isShort(job.text) && schemasOf(job).every((schema) => schema.length < 16_384 && !costly.test(schema))
}

import { isRecord, parseJson } from '../../core/json.ts'
import { lruCache } from '../../core/lru-cache.ts'
import { isShallow, maxDepth } from '../../json/lenient-json.ts'
import { repairArguments } from '../../json/repair.ts'
import { type Checker, loadSchemaCompiler, SlowPattern } from './schema-compiler.ts'
import { type AnswerVerdict, checkObject, validateAnswer } from './validate-answer.ts'

/** A text of the model and the schemas it has to fit. Schemas are JSON text, which is sent to a thread and is the cache key there. */
export type ValidationJob =
  /** Without a schema, any object is valid. */
  | { type: 'answer'; text: string; schema: string | undefined }
  /** `strict`: the schema that the client declared. `readable`: the schema of the values that the dialect can read. */
  | { type: 'arguments'; text: string; strict: string | undefined; readable: string | undefined }

export interface Validated {
  verdict: AnswerVerdict
  /** Why the schema was not used. The verdict then only says whether the text is JSON of the right kind. */
  unchecked?: string
}

/** Validates a text. Errors: only `cancelled`, when the signal fires. */
export type Validate = (job: ValidationJob, signal: AbortSignal) => Promise<Validated>

/** Compiled schemas that are kept, and the characters they may have together. A compiled one is many times as large. */
const maxSchemas = 100
const maxCharacters = 2_000_000

/** Returns a function that validates synchronously, without a time limit. Compiled schemas are kept by content. */
export async function loadValidation(): Promise<(job: ValidationJob) => Validated> {
  const compile = await loadSchemaCompiler()
  const compiled = lruCache<string, Checker | Error>({ maxEntries: maxSchemas, maxSize: maxCharacters })

  return (job) => {
    let unchecked: string | undefined
    const verdict = verdictOn(job)
    return unchecked === undefined ? { verdict } : { verdict, unchecked }

    function verdictOn(asked: ValidationJob): AnswerVerdict {
      try {
        return asked.type === 'answer'
          ? validateAnswer(
              asked.text,
              formOf(asked.schema),
              asked.schema === undefined ? checkObject : checkerFor(asked.schema),
            )
          : validateArguments(asked.text, asked.strict, asked.readable, checkerFor)
      } catch (thrown) {
        if (!(thrown instanceof SlowPattern)) throw thrown
        unchecked = thrown.message
        return verdictOn(withoutSchemas(asked))
      }
    }

    function checkerFor(schema: string): Checker {
      const made = checkerOf(schema)
      if (!(made instanceof Error)) return made
      unchecked = made.message
      return () => []
    }
  }

  function checkerOf(schema: string): Checker | Error {
    const made = compiled.get(schema) ?? compile(JSON.parse(schema))
    compiled.set(schema, made, schema.length)
    return made
  }
}

/** The same job without schemas: it only checks that the text is JSON of the right kind. */
export function withoutSchemas(job: ValidationJob): ValidationJob {
  return job.type === 'answer'
    ? { ...job, schema: job.schema === undefined ? undefined : '{}' }
    : { ...job, strict: undefined, readable: undefined }
}

function formOf(schema: string | undefined): Parameters<typeof validateAnswer>[1] {
  return schema === undefined ? { type: 'json' } : { type: 'json', schema: JSON.parse(schema) }
}

/** Validates arguments. Values of the wrong type are converted if a strict schema allows only one conversion. */
function validateArguments(
  text: string,
  strict: string | undefined,
  readable: string | undefined,
  checkerFor: (schema: string) => Checker,
): AnswerVerdict {
  const value = parseJson(text)
  if (!isRecord(value)) return { violations: ['they are not a JSON object'] }
  if (!isShallow(value)) return { violations: [`they are nested deeper than ${maxDepth} levels`] }
  const repaired =
    strict !== undefined && checkerFor(strict)(value).length > 0
      ? repairArguments(value, JSON.parse(strict))
      : undefined
  const accepted = readable ?? strict
  const violations = accepted === undefined ? [] : checkerFor(accepted)(repaired?.ok ? repaired.value : value)
  if (violations.length > 0) return { violations }
  // Arguments that fit keep their text, because parsing and serialising would round long numbers.
  return { text: repaired?.ok ? JSON.stringify(repaired.value) : text }
}

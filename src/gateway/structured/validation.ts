import { isRecord, parseJson } from '../../core/json.ts'
import { isShallow, maxDepth } from '../../json/lenient-json.ts'
import { repairArguments } from '../../json/repair.ts'
import { type Checker, loadSchemaCompiler, SlowPattern } from './schema-compiler.ts'
import { type AnswerVerdict, checkObject, validateAnswer } from './validate-answer.ts'

/** A text of the model's and the schemas it has to fit, as JSON text: what is sent to a thread, and cached there. */
export type ValidationJob =
  /** Without a schema any object will do. */
  | { type: 'answer'; text: string; schema: string | undefined }
  /** `strict` is what the client declared, `readable` what its dialect can hand on. */
  | { type: 'arguments'; text: string; strict: string | undefined; readable: string | undefined }

export interface Validated {
  verdict: AnswerVerdict
  /** Why the schema was not looked at; the verdict is then about the form of the text alone. */
  unchecked?: string
}

/** Errors: `cancelled` once the signal says so; nothing else. */
export type Validate = (job: ValidationJob, signal: AbortSignal) => Promise<Validated>

/** Compiled schemas that are kept, and the characters they may have in all: their programs are many times as large. */
const mostSchemas = 100
const mostCharacters = 2_000_000

/** Judges one job after the other in this thread, for as long as that takes. Compiled schemas are kept by content. */
export async function loadValidation(): Promise<(job: ValidationJob) => Validated> {
  const compile = await loadSchemaCompiler()
  const compiled = new Map<string, Checker | Error>()
  let characters = 0

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
    const known = compiled.get(schema)
    if (known === undefined) characters += schema.length
    const made = known ?? compile(JSON.parse(schema))
    compiled.delete(schema)
    compiled.set(schema, made)
    for (const oldest of compiled.keys()) {
      if (compiled.size <= mostSchemas && (characters <= mostCharacters || compiled.size === 1)) break
      compiled.delete(oldest)
      characters -= oldest.length
    }
    return made
  }
}

/** The same job, for the form of its text alone. */
export function withoutSchemas(job: ValidationJob): ValidationJob {
  return job.type === 'answer'
    ? { ...job, schema: job.schema === undefined ? undefined : '{}' }
    : { ...job, strict: undefined, readable: undefined }
}

function formOf(schema: string | undefined): Parameters<typeof validateAnswer>[1] {
  return schema === undefined ? { type: 'json' } : { type: 'json', schema: JSON.parse(schema) }
}

/** Values of the wrong type are converted where a strict schema leaves one way to do it. */
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
  // Arguments that fit stay as they were written: reading and writing them anew would round long numbers.
  return { text: repaired?.ok ? JSON.stringify(repaired.value) : text }
}

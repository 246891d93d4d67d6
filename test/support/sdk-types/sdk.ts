import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createReader, type Declaration } from './declarations.ts'
import { createSchemas } from './schema.ts'

// The types of the official packages as they are installed, read once for all tests of a process.
const read = createReader()
export const schemas = createSchemas()

const roots = {
  openai: dirname(fileURLToPath(import.meta.resolve('openai'))),
  anthropic: dirname(fileURLToPath(import.meta.resolve('@anthropic-ai/sdk'))),
  genai: dirname(dirname(fileURLToPath(import.meta.resolve('@google/genai')))),
  parameters: join(import.meta.dir, '../parameters'),
}

/**
 * `openai chat/completions/completions ChatCompletion`, `genai genai Candidate`. Errors: plain, where no such type is
 * declared.
 */
export function typeOf(name: string): Declaration {
  const [sdk = '', file = '', type = ''] = name.split(' ')
  const whole = { genai: roots.genai, parameters: roots.parameters }[sdk]
  const folder = whole ?? `${sdk === 'openai' ? roots.openai : roots.anthropic}/resources`
  const declaration = read(`${folder}/${file}.d.ts`).types.get(type)
  if (!declaration) throw new Error(`the package declares no ${name}`)
  return declaration
}

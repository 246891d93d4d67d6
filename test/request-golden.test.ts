import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Dialect } from '../src/core/dialect.ts'
import { anthropicMessages } from '../src/dialects/anthropic-messages/index.ts'
import { gemini } from '../src/dialects/gemini/index.ts'
import { ollamaChat, ollamaGenerate } from '../src/dialects/ollama/index.ts'
import { openaiChat } from '../src/dialects/openai-chat/index.ts'
import { openaiCompletions } from '../src/dialects/openai-completions/index.ts'
import { openaiResponses } from '../src/dialects/openai-responses/index.ts'
import { requestContext } from './support/request-context.ts'

/**
 * `golden/requests/<dialect>/<case>/in.json` is what a client family sends, with texts of our own;
 * `canonical.json` is what the dialect makes of it. Where the path and the query say something, `in.json` has them. GOLDEN=write rewrites the latter.
 */
const root = join(import.meta.dir, 'golden/requests')
const dialects: Dialect[] = [
  openaiChat,
  openaiCompletions,
  openaiResponses,
  anthropicMessages,
  gemini,
  ollamaChat,
  ollamaGenerate,
]

test('every folder of requests belongs to a dialect', () => {
  expect(readdirSync(root).sort()).toEqual(dialects.map(({ id }) => id).sort())
})

for (const dialect of dialects) {
  const body = TypeCompiler.Compile(dialect.body)
  const folder = join(root, dialect.id)

  describe(dialect.id, () => {
    test.each(readdirSync(folder).sort())('%s', async (name) => {
      const input = await Bun.file(join(folder, name, 'in.json')).json()
      expect([...body.Errors(input.body)].map(({ path, message }) => `${path} ${message}`)).toEqual([])

      const decoded = dialect.decode(input.body, requestContext(input.headers, input))
      const canonical = join(folder, name, 'canonical.json')
      const text = `${JSON.stringify(decoded, null, 2)}\n`
      if (Bun.env.GOLDEN === 'write') await Bun.write(canonical, text)
      expect(existsSync(canonical)).toBe(true)
      expect(JSON.parse(text)).toEqual(await Bun.file(canonical).json())
    })
  })
}

import { expect, test } from 'bun:test'
import { codeFor, languagesOf, shortened } from '../../src/page/try/code.ts'
import { tryDialects } from '../../src/page/try/dialects.ts'
import type { TrySettings } from '../../src/page/try/transcript.ts'

const settings: TrySettings = { model: 'GLM-4.5', thinking: 'default', maxTokens: undefined, tool: false }
const long = `It's ${'long '.repeat(200)}and has an end.`

test.each(
  tryDialects.flatMap((dialect) => languagesOf(dialect).map((language) => [dialect.id, language, dialect] as const)),
)('%s in %s: all of a long text is copied, its beginning is shown', (_id, language, dialect) => {
  const body = dialect.body([{ by: 'user', text: long, images: [] }], settings)
  const copied = codeFor(language, dialect, 'GLM-4.5', body, 'http://127.0.0.1:8080')
  const shown = codeFor(language, dialect, 'GLM-4.5', shortened(body), 'http://127.0.0.1:8080')
  expect(copied).toContain('and has an end.')
  expect(copied).toContain('ZAI2API_KEY')
  expect(shown).not.toContain('and has an end.')
  expect(shown).toContain('long long')
})

import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { dialects } from '../src/dialects/index.ts'
import { requestContext } from './support/request-context.ts'

/**
 * `golden/requests/<dialect>/<case>/in.json` is what a client family sends, with texts of our own;
 * `canonical.json` is what the dialect makes of it. Where the path and the query say something, `in.json` has them. GOLDEN=write rewrites the latter.
 */
const root = join(import.meta.dir, 'golden/requests')
const folders = readdirSync(root).sort()

test('each dialect has a folder of requests', () => {
  expect(folders).toEqual(dialects.map(({ id }) => id).sort())
})

for (const dialect of dialects.filter(({ id }) => folders.includes(id))) {
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

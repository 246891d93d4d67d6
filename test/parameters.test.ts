import { describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createJudge } from './support/parameters/outcome.ts'
import { resolved } from './support/parameters/probe.ts'
import { surfaces } from './support/parameters/surfaces.ts'
import { isSilent, matches, rowsOf } from './support/parameters/tables.ts'
import { schemas, typeOf } from './support/sdk-types/sdk.ts'

// Every parameter that the official packages declare is sent, one at a time, and what becomes of it is written down:
// `golden/parameters`. What is neither taken, named nor refused needs a reason, so that nothing is dropped silently.
const folder = join(import.meta.dir, 'golden/parameters')
const writing = process.env.GOLDEN === 'write'

describe.each(surfaces.map((surface) => [surface.dialect.id, surface] as const))('%s', (id, surface) => {
  const rows = rowsOf(surface)
  const silent = [...rows].filter(([, row]) => isSilent(row)).map(([path]) => path)

  test('nothing is dropped silently', () => {
    const unexplained = silent.filter((path) => !surface.silent.some(([paths]) => matches(paths, path)))
    expect(unexplained).toEqual([])
  })

  test('every reason is needed', () => {
    const idle = surface.silent.filter(([paths]) => !silent.some((path) => matches(paths, path)))
    expect(idle).toEqual([])
  })

  test('the table is that of the packages and of the program', () => {
    const file = join(folder, `${id}.json`)
    const reasonOf = (path: string) => surface.silent.find(([paths]) => matches(paths, path))?.[1]
    const table = Object.fromEntries(
      [...rows].map(([path, row]) => [path, isSilent(row) ? `nothing: ${reasonOf(path)}` : row]),
    )
    if (writing) writeFileSync(file, `${JSON.stringify(table, null, 2)}\n`)
    expect(table).toEqual(JSON.parse(readFileSync(file, 'utf8')))
  })
})

// The other bodies that these doors take: what they have beside is at least named.
test.each([
  ['anthropic-messages', 'anthropic messages/messages MessageCreateParamsBase'],
  ['anthropic-messages', 'anthropic messages/messages MessageCountTokensParams'],
  ['anthropic-messages', 'anthropic beta/messages/messages MessageCountTokensParams'],
  ['openai-responses', 'openai responses/input-tokens InputTokenCountParams'],
])('%s knows all of %s', (id, type) => {
  const table = JSON.parse(readFileSync(join(folder, `${id}.json`), 'utf8'))
  const known = new Set(Object.keys(table).map((path) => path.replace(/[.[].*/, '')))
  const { properties = {} } = resolved(schemas.of(typeOf(type)))
  expect(Object.keys(properties).length).toBeGreaterThan(5)
  const surface = surfaces.find(({ dialect }) => dialect.id === id)
  if (!surface) throw new Error(`no surface ${id}`)
  const { dialect, template } = surface
  const judge = createJudge(dialect)
  for (const name of Object.keys(properties).filter((name) => !known.has(name))) {
    const probe = { path: name, value: 'beta', without: template, with: { ...template, [name]: 'beta' } }
    expect(judge(probe)).toBe(`named as ${name}`)
  }
})

import { expect } from 'bun:test'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dir, '../..')
const writing = process.env.GOLDEN === 'write'

/** The documents of each language: the README, and the folder of all others. */
export const readmes = [
  { file: 'README.md', language: 'en', folder: 'docs' },
  { file: 'README.zh-CN.md', language: 'zh', folder: 'docs/zh-CN' },
] as const

/** Every document of the language that this README has, as paths from the root. */
export function documentsOf(readme: string): string[] {
  const { folder = '' } = readmes.find(({ file }) => file === readme) ?? {}
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith('.md'))
  return [readme, ...names.sort().map((name) => `${folder}/${name}`)]
}

/**
 * A part of the documents that the program writes, between two comments with its name: `make golden` puts it in. The
 * README says which language is meant; exactly one document of it has the part.
 */
export function expectGenerated(readme: string, name: string, content: string): void {
  const block = new RegExp(`(<!-- ${name}: begin -->\\n)[\\s\\S]*?(<!-- ${name}: end -->)`)
  const having = documentsOf(readme).filter((file) => block.test(readFileSync(join(root, file), 'utf8')))
  expect(having).toHaveLength(1)
  const path = join(root, having[0] ?? readme)
  const text = readFileSync(path, 'utf8')
  const current = text.replace(block, (_all, begin, end) => `${begin}${content}${end}`)
  if (writing) writeFileSync(path, current)
  expect(readFileSync(path, 'utf8')).toBe(current)
}

import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { Glob } from 'bun'
import { parseCommandLine } from '../src/cli/arguments.ts'
import { UsageError } from '../src/config/usage-error.ts'
import { productSummary } from '../src/core/product-summary.ts'
import { dialects } from '../src/dialects/index.ts'
import { documentsOf, readmes } from './support/readme.ts'

const documents = [...readmes.flatMap(({ file }) => documentsOf(file)), 'CONTRIBUTING.md']

/** The address of a heading as GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, '')
    .replaceAll(' ', '-')
}

/** The text without blocks of code. */
function prose(path: string): string {
  return readFileSync(path, 'utf8').replace(/^```[\s\S]*?^```/gm, '')
}

function anchorsIn(path: string): string[] {
  return [...prose(path).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => anchorOf(heading))
}

test('what the program is said to give names the vendor of each dialect', () => {
  const isNamed = (label: string) => label.split(' ').some((word) => productSummary.includes(word))
  expect(dialects.map(({ label }) => label).filter((label) => !isNamed(label))).toEqual([])
  for (const path of ['package.json', 'deploy/zai2api.service', 'CHANGELOG.md'])
    expect([path, readFileSync(path, 'utf8').includes(productSummary)]).toEqual([path, true])
})

describe.each(documents)('%s', (path) => {
  test('links to what is there', () => {
    const found = [...prose(path).matchAll(/\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"/g)]
    const links = found.map(([, link, image]) => link ?? image ?? '')
    const broken = links.filter((link) => {
      if (/^https?:/.test(link)) return false
      const [target = '', anchor] = link.split('#')
      const file = target === '' ? path : posix.join(posix.dirname(path), target)
      if (!existsSync(file)) return true
      return anchor !== undefined && !anchorsIn(file).includes(anchor)
    })
    expect(broken).toEqual([])
  })

  test('names only commands and flags that there are', () => {
    const text = readFileSync(path, 'utf8')
    const inline = [...text.matchAll(/`(zai2api(?: [^`\n]+)?)`/g)].map(([, command = '']) => command)
    const lines = [...text.matchAll(/^(?:\$ )?(?:sudo )?(?:[A-Z_]+=\S+ )*(zai2api .+)$/gm)].map(([, line = '']) => line)
    const wrong = [...inline, ...lines].flatMap((command) => problemOf(command) ?? [])
    expect(wrong).toEqual([])
  })
})

/** What the program would say of a command line, placeholders filled in; `undefined` if it takes it. */
function problemOf(command: string): string | undefined {
  const words = command
    .replace(/\s#.*$/, '')
    .replace(/(\w+)(?:\|\w+)+/g, '$1')
    .split(/\s+/)
    .slice(1)
    .map((word) => word.replace(/^["']|["']$/g, ''))
  if (words.some((word) => /^(…|COMMAND|SETTING|NAME|ACTION)/.test(word))) return undefined
  try {
    parseCommandLine(words)
    return undefined
  } catch (thrown) {
    if (thrown instanceof UsageError) return `${command}: ${thrown.message}`
    throw thrown
  }
}

test('both languages have the same tables, lists, blocks of code and names', () => {
  const [en = [], zh = []] = readmes.map(({ file }) => documentsOf(file).map(contentOf))
  expect(zh).toEqual(en)
})

/** What does not depend on the language. A name is code without a space, such as a setting, a path or a field. */
function contentOf(path: string) {
  const text = prose(path)
  const lines = (start: RegExp) => [...text.matchAll(start)].length
  return {
    rows: lines(/^\|/gm),
    items: lines(/^- /gm),
    blocks: [...readFileSync(path, 'utf8').matchAll(/^```(\w+)$/gm)].map(([, language]) => language),
    names: [...new Set([...text.matchAll(/`([\w./-]+)`/g)].map(([, name]) => name))].sort(),
  }
}

test.each(documents)('%s names only variables that something reads', (path) => {
  const read = sourceText('{src,deploy}/**/*', 'Makefile')
  const named = [...readFileSync(path, 'utf8').matchAll(/`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?==|`)/g)]
  expect(named.flatMap(([, name = '']) => (read.includes(name) ? [] : [name]))).toEqual([])
})

test('what is said of failures names only errors and metrics that there are', () => {
  const source = sourceText('src/**/*.ts')
  for (const { folder } of readmes) {
    const text = readFileSync(join(folder, 'reliability.md'), 'utf8')
    const named = [...text.matchAll(/`([a-z0-9]+(?:_[a-z0-9]+)+)`/g)].map(([, name = '']) => name)
    expect(named.length).toBeGreaterThan(8)
    // A code without a text of its own is that of its kind.
    const unknown = named.filter((name) => ![name, name.replaceAll('_', '-')].some((each) => source.includes(each)))
    expect(unknown).toEqual([])
  }
})

function sourceText(...patterns: string[]): string {
  const files = patterns.flatMap((pattern) => [...new Glob(pattern).scanSync('.')])
  return files.map((file) => readFileSync(file, 'utf8')).join('\n')
}

test('every image is small, comes for light and dark, and is shown in both languages', () => {
  const images = [...new Glob('docs/images/*').scanSync('.')].map((path) => posix.basename(path)).sort()
  expect(images.length).toBeGreaterThan(1)
  for (const { file } of readmes) {
    const texts = documentsOf(file).map((path) => readFileSync(path, 'utf8'))
    expect(images.filter((name) => !texts.some((text) => text.includes(`images/${name}"`)))).toEqual([])
  }
  for (const name of images) {
    expect(name).toMatch(/^[a-z]+-(?:light|dark)\.webp$/)
    expect(statSync(`docs/images/${name}`).size).toBeLessThan(120_000)
  }
})

test('both languages have the same documents, with as many headings', () => {
  const [en = [], zh = []] = readmes.map(({ file, folder }) =>
    documentsOf(file).map((path) => [path === file ? 'README' : posix.relative(folder, path), anchorsIn(path).length]),
  )
  expect(zh).toEqual(en)
})

test('troubleshooting quotes what the program really says', () => {
  const source = sourceText('src/**/*.ts')
  for (const { folder } of readmes) {
    const rows = [...readFileSync(join(folder, 'troubleshooting.md'), 'utf8').matchAll(/^\| `([^`]+)` \|/gm)]
    expect(rows.length).toBeGreaterThan(10)
    // `…` stands for what differs from case to case.
    const parts = rows.flatMap(([, text = '']) => text.split('…').map((part) => part.trim()))
    expect(parts.filter((part) => part !== '' && !source.includes(part))).toEqual([])
  }
})

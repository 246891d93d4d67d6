import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import packageJson from '../package.json' with { type: 'json' }
import { systemClock } from '../src/async/system-clock.ts'
import { clientRecipes, clientsTable } from '../src/cli/clients/document.ts'
import { configurationTable, type RowWords, type TableWords, upstreamRowsTable } from '../src/config/documents.ts'
import { modelsTable } from '../src/models/document.ts'
import { allowedTexts, rowTexts, settingTexts } from '../src/page/gateway-texts/settings.ts'
import { demo } from '../src/upstreams/demo/index.ts'
import { markers } from '../src/upstreams/demo/markers.ts'
import { upstreamKinds } from '../src/upstreams/index.ts'
import { startGateway } from './support/gateway.ts'
import { documentsOf, expectGenerated } from './support/readme.ts'

const root = join(import.meta.dir, '..')

const chinese: TableWords = {
  head: ['变量', '参数', '默认值', '含义'],
  about: ({ env }) => settingTexts[env] ?? '',
  rule: ({ kind }) => `须为${spaced(allowedTexts[kind.allowed] ?? kind.allowed)}。`,
}

const chineseRows: RowWords = {
  head: ['类型', '字段', '默认值', '含义'],
  required: '必填',
  about: ({ about }) => rowTexts[about] ?? '',
  rule: ({ allowed }) => `须为${spaced(allowedTexts[allowed] ?? allowed)}。`,
}

const spaced = (text: string): string => (/^[\x21-\x7e]/.test(text) ? ` ${text}` : text)

/** Parts that need nothing but the program; what tests have found is told by test/conformance.test.ts. */
const generated: Record<string, (file: string) => string> = {
  configuration: (file) => configurationTable(file === 'README.zh-CN.md' ? chinese : undefined),
  models: () => modelsTable(),
  'upstream rows': (file) => upstreamRowsTable(upstreamKinds, file === 'README.zh-CN.md' ? chineseRows : undefined),
  clients: clientsTable,
  'client recipes': clientRecipes,
  'demo markers': () =>
    [
      '| Marker | Effect |',
      '|---|---|',
      ...markers.map(({ marker, effect }) => `| \`${marker}\` | ${effect} |`),
      '',
    ].join('\n'),
}

describe.each(['README.md', 'README.zh-CN.md'])('%s', (file) => {
  test.each(Object.keys(generated))('tells the %s as the program has them', (name) => {
    expectGenerated(file, name, generated[name]?.(file) ?? '')
  })

  test('gives a reason for every package', () => {
    const text = documentsOf(file)
      .map((each) => readFileSync(join(root, each), 'utf8'))
      .join('')
    const packages = Object.keys({ ...packageJson.dependencies, ...packageJson.devDependencies })
    expect(packages.filter((name) => !text.includes(`\`${name}\``))).toEqual([])
  })
})

describe('the README’s examples work as printed', () => {
  const gateway = startGateway([demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })])
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-readme-'))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  afterAll(async () => {
    rmSync(folder, { recursive: true })
    await gateway.stop()
  })

  const text = readFileSync(join(root, 'README.md'), 'utf8').replaceAll('http://127.0.0.1:8080', gateway.url)
  const blocks = [...text.matchAll(/```(ts|sh)\n([\s\S]*?)```/g)].map(([, language, code = '']) => ({ language, code }))

  test.each(blocks.filter(({ language }) => language === 'ts').map(({ code }, at) => [`TypeScript ${at + 1}`, code]))(
    '%s',
    async (name, code) => {
      const path = join(folder, `${name.replace(' ', '-')}.ts`)
      writeFileSync(path, code)
      const { exitCode, stdout, stderr } = await ran([process.execPath, path])
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
      expect(stdout).toContain('Hello!')
    },
  )

  test('curl', async () => {
    const code = blocks.find((block) => block.code.startsWith('curl '))?.code ?? ''
    const { exitCode, stdout } = await ran(['sh', '-c', code])
    expect(exitCode).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ object: 'chat.completion' })
  })

  async function ran(command: string[]) {
    const child = Bun.spawn(command, { cwd: folder, stdout: 'pipe', stderr: 'pipe' })
    const [stdout, stderr, exitCode] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ])
    return { stdout, stderr: command[0] === 'sh' ? '' : stderr, exitCode }
  }
})

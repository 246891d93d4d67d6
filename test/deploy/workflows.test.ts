import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { Glob } from 'bun'

const files = [...new Glob('.github/workflows/*.yml').scanSync({ cwd: '.', dot: true })]

test('there are workflows', () => expect(files.length).toBeGreaterThan(1))

/** A workflow as far as these tests read it. */
interface Workflow {
  jobs: Record<string, { permissions?: Record<string, string>; steps: { run?: string; uses?: string }[] }>
}

describe.each(files)('%s', (path) => {
  const text = readFileSync(path, 'utf8')

  test('is YAML, and each action is held to a commit', () => {
    const workflow: unknown = Bun.YAML.parse(text)
    expect(workflow).toMatchObject({ jobs: expect.any(Object), permissions: { contents: 'read' } })
    const used = [...text.matchAll(/uses: (\S+)/g)].map(([, action = '']) => action)
    expect(used.length).toBeGreaterThan(0)
    expect(used.filter((action) => !/@[0-9a-f]{40}$/.test(action))).toEqual([])
  })

  test('runs only commands of the Makefile that there are', () => {
    const makefile = readFileSync('Makefile', 'utf8')
    const targets = [...text.matchAll(/\bmake ([a-z -]+)$/gm)].flatMap(([, names = '']) => names.trim().split(' '))
    expect(targets.filter((target) => !new RegExp(`^${target}:`, 'm').test(makefile))).toEqual([])
  })

  // Any of hundreds of packages could sign updates for everybody else.
  test('has secrets and a right to write only where no package is installed or run', () => {
    const { jobs } = Bun.YAML.parse(text) as Workflow
    for (const [name, job] of Object.entries(jobs)) {
      const isTrusted = /secrets\.|github\.token|GITHUB_TOKEN/.test(JSON.stringify(job))
      const mayWrite = Object.values(job.permissions ?? {}).includes('write')
      if (!isTrusted && !mayWrite) continue
      const commands = job.steps.flatMap(({ run = '' }) => run.split('\n'))
      expect([name, commands.filter((line) => /\b(make|npm|npx|bun|bunx|yarn|pnpm|pip)\b|\.ci\//.test(line))]).toEqual([
        name,
        [],
      ])
    }
  })

  test('puts nothing of a pull request into a command', () => {
    expect(text).not.toMatch(/pull_request_target|github\.event\.|github\.head_ref/)
  })
})

test.each(['Makefile', 'deploy/Dockerfile', '.ci/run', ...files])(
  '%s installs packages without their scripts',
  (path) => {
    const lines = readFileSync(path, 'utf8').split('\n')
    const installing = lines.filter((line) => /\bnpm (ci|i|install|pack)\b/.test(line.replace(/#.*|\.PHONY.*/, '')))
    expect(installing.filter((line) => !line.includes('--ignore-scripts'))).toEqual([])
  },
)

test.each(['test/support/agents/install.ts', 'test/support/libraries/install.ts'])('so does %s', (path) => {
  const calls = readFileSync(path, 'utf8').match(/'npm', 'install'.*/g)
  expect(calls).toHaveLength(1)
  expect(readFileSync(path, 'utf8')).toContain("'--ignore-scripts'")
})

import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { Glob } from 'bun'

const files = [...new Glob('.github/workflows/*.yml').scanSync({ cwd: '.', dot: true })]

test('there are workflows', () => expect(files.length).toBeGreaterThan(1))

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

  test('puts nothing of a pull request into a command', () => {
    expect(text).not.toMatch(/pull_request_target|github\.event\.|github\.head_ref/)
  })
})

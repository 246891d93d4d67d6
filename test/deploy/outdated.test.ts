import { afterAll, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import packageJson from '../../package.json' with { type: 'json' }

const folder = mkdtempSync(join(tmpdir(), 'zai2api-outdated-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Stands in for npm: one package has a newer version, of one nothing is known, and all others are older than the pinned ones. */
const npm = `#!/bin/sh
case "$2" in
  openai) echo 99.0.0 ;;
  ajv) exit 1 ;;
  *) echo 0.0.1 ;;
esac
`

test('make outdated lists what has a newer version, why it is held back, and what npm did not tell', async () => {
  writeFileSync(join(folder, 'npm'), npm)
  chmodSync(join(folder, 'npm'), 0o755)
  const child = Bun.spawn([process.execPath, 'test/support/outdated.ts'], {
    env: { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}` },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [said, complaints, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  expect({ code, complaints }).toEqual({ code: 0, complaints: '' })
  const lines = said.trim().split('\n')
  const { openai } = packageJson.devDependencies
  expect(lines).toContain(`openai: ${openai}, and npm has 99.0.0`)
  expect(lines).toContainEqual(
    expect.stringMatching(/^openai-6: [\d.]+, and npm has 99\.0\.0 \(held back: the version before/),
  )
  expect(lines.at(-1)).toBe('npm did not tell of ajv')
  // The coding agents and libraries that judge the replies are looked up as well, and none is older here.
  expect(lines.filter((line) => !/^(openai|openai-6|npm)\b/.test(line))).toEqual([])
}, 60_000)

import { describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CompletionShell, completionShells } from '../../src/cli/completions.ts'
import { manPage } from '../../src/cli/man-page.ts'
import { settingList } from '../../src/config/table.ts'

/** What a program prints that gets the path of a file with this text as its last argument. */
function ran(text: string, ...command: string[]): { exitCode: number; stdout: string; stderr: string } {
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-completions-'))
  const file = join(folder, 'script')
  writeFileSync(file, text)
  const env = { PATH: process.env.PATH, HOME: folder }
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command, file], { env })
  rmSync(folder, { recursive: true })
  return { exitCode, stdout: String(stdout), stderr: String(stderr) }
}

const cases: [string[], string[]][] = [
  [['serv'], ['serve', 'service']],
  [
    ['env', 'c'],
    ['claude', 'codex'],
  ],
  [['key', 'cr'], ['create']],
  [['service', 'inst'], ['install']],
  [['completions', 'ba'], ['bash']],
  [['help', 'LISTEN'], ['LISTEN_PORT']],
  [['serve', '--por'], ['--port']],
  [['serve', '--no-tool-s'], ['--no-tool-support']],
  [['--port', '9', 'setup', '--untest'], ['--untested']],
  [['version', '--por'], []],
  [['claude', '--por'], []],
]

describe.skipIf(process.platform === 'win32')('bash completes', () => {
  test.each(cases)('%j', (words, expected) => {
    const typed = words.map((word) => `'${word}'`).join(' ')
    const drive = `COMP_WORDS=(zai2api ${typed}); COMP_CWORD=${words.length}; _zai2api; printf '%s\\n' "\${COMPREPLY[@]}"`
    const { stdout, stderr } = ran(completionShells.bash(), 'bash', '-c', `source "$1"; ${drive}`, 'bash')
    expect(stderr).toBe('')
    const offered = stdout.split('\n').filter(Boolean)
    if (expected.length === 0) expect(offered).toEqual([])
    else expect(offered).toEqual(expect.arrayContaining(expected))
  })
})

describe.skipIf(Bun.which('fish') === null)('fish completes', () => {
  test.each(cases.filter(([, expected]) => expected.length > 0))('%j', (words, expected) => {
    const line = `zai2api ${words.join(' ')}`
    const { stdout, stderr } = ran(completionShells.fish(), 'fish', '-c', `source $argv[1]; complete -C '${line}'`)
    expect(stderr).toBe('')
    const offered = stdout.split('\n').flatMap((each) => each.split('\t', 1))
    expect(offered).toEqual(expect.arrayContaining(expected))
  })
})

// Others than bash read their files where they are installed.
test.each<[CompletionShell, string[]]>([
  ['zsh', ['zsh', '-n']],
  ['fish', ['fish', '-n']],
  ['bash', ['bash', '-n']],
  ['powershell', ['pwsh', '-NoProfile', '-File']],
])('%s reads its file without complaint, and it names every command and no flag of a secret', (shell, command) => {
  const text = completionShells[shell]()
  for (const name of ['serve', 'setup', 'service', 'completions', 'opencode']) expect(text).toContain(name)
  for (const { env, secret } of settingList)
    if (secret) expect(text).not.toContain(`-${env.toLowerCase().replaceAll('_', '-')} `)
  const [program = ''] = command
  if (Bun.which(program) !== null) expect(ran(text, ...command)).toEqual({ exitCode: 0, stdout: '', stderr: '' })
})

describe('the manual page', () => {
  const text = manPage('1.2.3', '2026-11-30')

  test('names every setting', () => {
    for (const { env } of settingList) expect(text.replaceAll('\\-', '-')).toContain(env)
    expect(text).toStartWith('.TH ZAI2API 1 "2026-11-30" "zai2api 1.2.3"\n')
  })

  test.skipIf(Bun.which('mandoc') === null)('is understood by mandoc', () => {
    expect(ran(text, 'mandoc', '-T', 'lint', '-W', 'warning')).toEqual({ exitCode: 0, stdout: '', stderr: '' })
  })
})

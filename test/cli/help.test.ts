import { describe, expect, test } from 'bun:test'
import { commandTable } from '../../src/cli/command-table.ts'
import { flagOf, settingList, tomlKeyOf } from '../../src/config/table.ts'
import { fieldsOf } from '../../src/config/upstream-rows.ts'
import { upstreamKinds } from '../../src/upstreams/index.ts'
import { run } from './command-line.ts'

describe('version', () => {
  test.each(['version', '--version', '-v', 'serve --version', '--port 9 -v'])('`zai2api %s`', async (line) => {
    expect(await run(line)).toEqual({ code: 0, stdout: 'zai2api 1.2.3\n', stderr: '', started: [] })
  })
})

describe('help', () => {
  test.each(['--help', '-h', '--port 9 --help', 'help'])('`zai2api %s` fits a screen', async (line) => {
    const { code, stdout, stderr, started } = await run(line)
    expect([code, stderr, started]).toEqual([0, '', []])
    for (const command of Object.keys(commandTable))
      expect(stdout).toMatch(new RegExp(`^  (?:${command} +[A-Z]|(?:\\w+ )*${command}(?: \\w+)*$)`, 'm'))
    expect(stdout).toContain('\n  --port NUMBER                 Port to listen on; 0 takes a free one.\n')
    expect(stdout).toContain('\n  --config PATH ')
    expect(stdout.trimEnd().split('\n').length).toBeLessThanOrEqual(40)
  })

  test('`zai2api help settings` names every flag and variable', async () => {
    const { code, stdout, stderr, started } = await run('help settings')
    expect([code, stderr, started]).toEqual([0, '', []])
    for (const setting of settingList) {
      expect(stdout).toContain(setting.env)
      const flag = flagOf(setting)
      if (flag !== undefined) expect(stdout).toMatch(new RegExp(`^  --(\\[no-\\])?${flag}( |$)`, 'm'))
    }
    expect(stdout).toContain(
      '\n  --port NUMBER                 Port to listen on; 0 takes a free one. [LISTEN_PORT=8080]\n',
    )
  })

  test.each(['LISTEN_PORT', 'listen_port', 'listen-port', 'port', '--port'])('`zai2api help %s`', async (name) => {
    expect(await run(`help ${name}`)).toMatchObject({
      code: 0,
      stdout: `LISTEN_PORT: Port to listen on; 0 takes a free one.

  Allowed                       a whole number from 0 to 65535
  Default                       8080
  Flag                          --port NUMBER
  Variable, also in .env        LISTEN_PORT
  Key in zai2api.toml           listen_port

zai2api config shows what is in force.
`,
    })
  })

  test('`zai2api help upstreams` has every field of the rows of every kind', async () => {
    const { stdout } = await run('help upstreams')
    const kinds = upstreamKinds.flatMap(({ id, title, row }) => (row === undefined ? [] : [{ id, title, row }]))
    expect(kinds.length).toBeGreaterThan(1)
    for (const { id, title, row } of kinds) {
      const [, section = ''] = stdout.split(`with kind = "${id}" (${title}):\n`)
      const text = section.split('\n\n')[0]?.replaceAll(/\s+/g, ' ')
      for (const { name, about, allowed } of fieldsOf(row)) {
        expect(about).not.toBe('')
        expect(text).toContain(`${name} ${about} Must be ${allowed}.`)
      }
    }
    expect(stdout).toContain('[template]')
  })

  test('every setting can be asked for by each of its names, a switch by its negation, too', async () => {
    // A command of the same name comes first.
    for (const setting of settingList)
      for (const name of [setting.env, tomlKeyOf(setting), flagOf(setting) ?? setting.env].filter(
        (each) => !(each in commandTable),
      ))
        expect((await run(`help ${name}`)).stdout).toStartWith(`${setting.env}: `)
    expect((await run('help --no-tool-support')).stdout).toStartWith('TOOL_SUPPORT: ')
  })

  test('`zai2api help COMMAND` is what the command says with --help', async () => {
    for (const command of Object.keys(commandTable).filter((name) => name !== 'help'))
      expect((await run(`help ${command}`)).stdout).toBe((await run(`--help ${command}`)).stdout)
  })

  test('no line is longer than 100 columns or ends in spaces', async () => {
    for (const line of [
      '--help',
      'help settings',
      'help upstreams',
      ...Object.keys(commandTable).map((command) => `--help ${command}`),
    ])
      for (const text of (await run(line)).stdout.split('\n')) {
        expect(text.length).toBeLessThanOrEqual(100)
        expect(text).toBe(text.trimEnd())
      }
  })

  test.each([
    ['serve', { json: false, settings: true, markers: false }],
    ['demo', { json: false, settings: true, markers: true }],
    ['models', { json: true, settings: true, markers: false }],
    ['config', { json: true, settings: true, markers: false }],
    ['quota', { json: true, settings: true, markers: false }],
    ['doctor', { json: true, settings: true, markers: false }],
    ['version', { json: false, settings: false, markers: false }],
  ])('`zai2api %s --help` says what this command takes', async (command, expected) => {
    const { code, stdout, started } = await run(`${command} --help`)
    expect([code, started]).toEqual([0, []])
    expect(stdout).toStartWith(`Usage: zai2api ${command} [flags]\n\n`)
    expect({
      json: stdout.includes('--json'),
      settings: stdout.includes('zai2api help settings'),
      markers: stdout.includes('[think]'),
    }).toEqual(expected)
  })
})

describe('help of the commands that take more than flags', () => {
  test.each([
    ['--help claude', 'Usage: zai2api [flags] claude [arguments of claude]\n\n'],
    ['env --help', 'Usage: zai2api env CLIENT [flags]\n\n'],
    ['key --help', 'Usage: zai2api key ACTION [KEY] [flags]\n\n'],
  ])('`zai2api %s`', async (line, usage) => {
    const { code, stdout, started } = await run(line)
    expect([code, started]).toEqual([0, []])
    expect(stdout).toStartWith(usage)
  })
})

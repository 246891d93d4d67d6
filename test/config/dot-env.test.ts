import { describe, expect, test } from 'bun:test'
import { parseEnv } from 'node:util'
import fc from 'fast-check'
import { readDotEnv, type SettingNames } from '../../src/config/dot-env.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { ProcessEnvironment } from '../../src/config/sources.ts'
import { upstreamKinds } from '../../src/upstreams/index.ts'

const names: SettingNames = {
  has: (name) => ['KEY', 'PORT'].includes(name),
  resembles: (word, alone) => word === 'KEY' || (alone && word === 'PO'),
}

describe('a faulty line', () => {
  test.each<[string, string, [line: number, says: string, fatal: boolean][]]>([
    ['has no =', 'A=1\nKEY abc\nB=2', [[2, 'names KEY and has no =, so it sets nothing', true]]],
    ['is cut off in a name', 'A=1\nPO', [[2, 'has no NAME=value, so it sets nothing', true]]],
    ['names no setting', '# x\n\nsome words\r\nKEY=1', [[3, 'has no NAME=value, so it sets nothing', false]]],
    ['has a name with a space', 'MY KEY=1', [[1, 'has no NAME=value, so it sets nothing', false]]],
    ['has no name', '=x', [[1, 'has no NAME=value, so it sets nothing', false]]],
    ['is the bare word export', 'export KEY', [[1, 'names KEY and has no =, so it sets nothing', true]]],
    [
      'has a quote that is never closed',
      'KEY="abc\nPORT=1',
      [[1, 'opens KEY with a quote that is never closed', true]],
    ],
    [
      'has an unclosed quote in a variable of another program',
      "A='abc",
      [[1, 'opens A with a quote that is never closed', false]],
    ],
    ['swallows a setting', 'A="abc\nPORT=1\nB="', [[1, 'opens A with a quote that swallows line 2', true]]],
    ['has text behind the closing quote', 'KEY="abc"def', [[1, 'has text behind the closing quote of KEY', true]]],
    ['has a # inside', 'KEY=abc#def', [[1, 'has a # in the value of KEY, which begins a comment', false]]],
    [
      'sets a setting a second time',
      'KEY=1\nA=1\nKEY=',
      [[3, 'sets KEY again, after line 1: the last one holds', false]],
    ],
    ['is UTF-16', '\uFFFD\uFFFDK\0E\0Y\0', [[1, 'is not UTF-8 text', true]]],
  ])('%s', (_name, text, expected) => {
    const { faults } = readDotEnv(text, names)
    expect(faults.map(({ line, message, fatal }): unknown => [line, message, fatal])).toEqual(
      expected.map(([line, says, fatal]) => [line, expect.stringContaining(says), fatal]),
    )
    expect(JSON.stringify(faults)).not.toMatch(/abc|def/)
  })
})

test.each<[string, string, Record<string, string>]>([
  ['comments, blanks and Windows line ends', '# KEY\r\n\r\n  KEY=1 # one\r\nPORT=2\r\n', { KEY: '1', PORT: '2' }],
  ['export', 'export KEY=1\nexport\tPORT="2"', { KEY: '1', PORT: '2' }],
  ['quotes', `KEY='a#b'\nPORT="2" # two`, { KEY: 'a#b', PORT: '2' }],
  [
    'a key of another program over several lines',
    'PEM="-----\nabc=\n-----"\nKEY=1',
    { PEM: '-----\nabc=\n-----', KEY: '1' },
  ],
  ['the same name twice, of another program', 'A=1\nA=2', { A: '2' }],
  ['a list over several lines', 'KEY="a\nb"', { KEY: 'a\nb' }],
  ['an apostrophe within', "KEY=it's", { KEY: "it's" }],
  ['nothing', '', {}],
])('no fault is reported for %s', (_name, text, values) => {
  expect(readDotEnv(text, names)).toEqual({ values, faults: [] })
})

test('text without faults is read as node:util reads it', () => {
  const name = fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,8}$/)
  const word = fc.stringMatching(/^[ -~]{0,12}$/)
  const quoted = fc.tuple(fc.constantFrom('"', "'", '`'), fc.stringMatching(/^[^"'`\\\r\0]{0,12}$/))
  const value = fc.oneof(
    word,
    quoted.map(([quote, text]) => quote + text + quote),
  )
  const assignment = fc
    .tuple(fc.constantFrom('', 'export ', '  '), name, fc.constantFrom('=', ' = '), value)
    .map((parts) => parts.join(''))
  const line = fc.oneof(
    assignment,
    fc.constant(''),
    word.map((text) => `# ${text}`),
  )
  fc.assert(
    fc.property(fc.array(line), fc.constantFrom('\n', '\r\n'), (lines, end) => {
      const text = lines.join(end)
      const { values, faults } = readDotEnv(text, names)
      if (faults.length === 0) expect(values).toEqual({ ...parseEnv(text) })
    }),
  )
})

describe('the configuration', () => {
  const load = (dotEnv: string) => {
    const readFile = (path: string) => (path === '/srv/.env' ? dotEnv : undefined)
    const surroundings: ProcessEnvironment = { env: {}, cwd: '/srv', readFile }
    return loadConfig(new Map(), surroundings, upstreamKinds)
  }

  test.each([
    ['AUTH_TOKEN sk-secret', '/srv/.env line 2 names AUTH_TOKEN and has no =, so it sets nothing'],
    ['AUTH_TOK', '/srv/.env line 2 has no NAME=value, so it sets nothing'],
    ['LISTEN_PROT 80', '/srv/.env line 2 has no NAME=value, so it sets nothing'],
    ['ZAI_TOKEN="sk-secret', '/srv/.env line 2 opens ZAI_TOKEN with a quote that is never closed'],
  ])('refuses a file with %j', (line, says) => {
    expect(() => load(`HOST=::1\n${line}`)).toThrow(says)
    expect(() => load(`HOST=::1\n${line}`)).not.toThrow('secret')
  })

  test('accepts a file shared with other programs, and warns of the lines without effect', () => {
    const { config, warnings } = load('source ./other.sh\nHOST=::1\nHOST=127.0.0.2\nHTTPS_PROXY=http://x\n')
    expect(config.host).toBe('127.0.0.2')
    expect(warnings.map(({ message }) => message)).toEqual([
      '/srv/.env line 1 has no NAME=value, so it sets nothing: write NAME=value, or put # in front of it',
      '/srv/.env line 3 sets HOST again, after line 2: the last one holds',
      'HTTPS_PROXY in /srv/.env has no effect: a proxy is named in the environment alone',
    ])
  })
})

import { expect, test } from 'bun:test'
import { GatewayError } from '../../src/core/errors.ts'
import { createRedactor } from '../../src/core/known-secrets.ts'
import { createLog, type Facts, type LogLevel, type LogOptions, logLevels } from '../../src/observe/log.ts'
import { closeRecord, openRecord, type RequestRecord } from '../../src/observe/record.ts'
import { manualClock } from '../support/clock.ts'

function logOf(format: LogOptions['format'], level: () => LogLevel = () => 'debug') {
  const lines: string[] = []
  const waits: boolean[] = []
  const log = createLog({
    level,
    format,
    now: manualClock().now,
    redact: createRedactor(['known-secret']),
    write(line, mayWait) {
      lines.push(line())
      waits.push(mayWait)
    },
  })
  return { log, lines, waits }
}

test.each<[string, Facts, string]>([
  ['{a} }} {{b}', {}, '{a} }} {{b}'],
  ['numbers and switches', { ms: 1.5, no: Number.NaN, yes: true }, 'numbers and switches ms=1.5 no=null yes=true'],
  ['nothing known', { model: undefined, cause: null }, 'nothing known cause=null'],
  ['words', { reason: 'two words', empty: '', is: 'a=b' }, 'words reason="two words" empty="" is="a=b"'],
  ['members', { detail: { code: 1 } }, 'members detail="{\\"code\\":1}"'],
  ['{said} as a fact', { said: 'x', message: 'y' }, '{said} as a fact said=x message=y'],
])('in text, %s', async (message, facts, expected) => {
  const { log, lines } = logOf('text')
  log.info(message, facts)
  expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d info {2}/)
  expect(lines[0]?.slice(26)).toBe(`${expected}\n`)
})

test.each<[LogOptions['format'], RegExp]>([
  ['text', /a request unreadable=status,detail\n$/],
  ['json', /"a request".*"status":200/],
])('in %s, a circular fact does not lose the line', (format, expected) => {
  const { log, lines } = logOf(format)
  const endless: { self?: object } = {}
  endless.self = endless
  log.info('a request', { status: 200, detail: endless })
  expect(lines).toHaveLength(1)
  expect(lines[0]).toMatch(expected)
})

test('in JSON a line is an object with its facts', async () => {
  const { log, lines } = logOf('json')
  log.warn('two {words}', { ms: 1, detail: { code: 'x' }, model: undefined, cause: new Error('why') })
  expect(lines[0]).toEndWith('}\n')
  expect(JSON.parse(lines[0] ?? '')).toEqual({
    '@timestamp': expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    level: 'WARN',
    message: 'two {words}',
    logger: 'zai2api',
    properties: { ms: 1, detail: { code: 'x' }, cause: expect.objectContaining({ name: 'Error', message: 'why' }) },
  })
})

test('a truncated token is redacted, too', () => {
  const { log, lines } = logOf('text')
  const clock = manualClock()
  const model = `eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.${'secret'.repeat(40)}.${'signature'.repeat(5)}`
  closeRecord({ ...openRecord('req_1', 'POST', `/v1/${model}`, clock), model }, clock, log)
  expect(lines.join('')).toContain('POST /v1/')
  expect(lines.join('')).not.toMatch(/secret|eyJ/)
})

test.each(['text', 'json'] as const)(
  'in %s nothing that looks like a key stays, wherever it stands',
  async (format) => {
    const { log, lines } = logOf(format)
    const hex = '0123456789abcdef'.repeat(2)
    log.info(`asked with sk-abcdefgh and ${hex}.Abcdefgh`, {
      ...{ reason: 'key-abcdefgh', detail: { deep: [`${hex}.Abcdefgh`] }, token: 'eyJabc.def.ghi' },
      cause: new Error('sk-abcdefgh'),
    })
    expect(lines.join('')).not.toMatch(/abcdefgh|Abcdefgh|eyJ/)
    expect(lines.join('').match(/\[key\]/g)?.length).toBeGreaterThanOrEqual(5)
  },
)

test.each(['text', 'json'] as const)('keys of other vendors are redacted, as %s', (format) => {
  const { log, lines } = logOf(format)
  const keys = [
    'ghp_0123456789abcdefghijklmnop',
    'github_pat_0123456789abcdefghijklmnop',
    'hf_0123456789abcdefghijklmn',
  ]
  for (const key of [...keys, 'glpat-0123456789abcdefghij', 'xoxb-0123456789-abcdef', `AIza${'0a'.repeat(18)}`]) {
    log.info('a request', { model: key, reason: `The model \`${key}\` does not exist here.` })
    expect(lines.at(-1)).not.toContain(key)
    expect(lines.at(-1)?.match(/\[key\]/g)).toHaveLength(2)
  }
})

test('warnings and errors do not wait', async () => {
  const { log, waits } = logOf('text')
  for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level](level)
  expect(waits).toEqual([true, true, false, false])
})

test('the level may change at run time', () => {
  let level: LogLevel = 'info'
  const { log, lines } = logOf('text', () => level)
  for (level of logLevels) {
    for (const name of ['debug', 'info', 'warn', 'error'] as const) log[name](`${name} at ${level}`)
  }
  expect(lines.map((line) => line.slice(26, -1))).toEqual([
    ...['debug at debug', 'info at debug', 'warn at debug', 'error at debug'],
    ...['info at info', 'warn at info', 'error at info'],
    ...['warn at warn', 'error at warn'],
    'error at error',
  ])
})

test.each(['text', 'json'] as const)('control characters are escaped, as %s', (format) => {
  const { log, lines } = logOf(format)
  const model = `a\u001b[31m\u202ered\u0007\u009b2J\ud800\u2028\u200f`
  log.info(`GET /\u001b[2J`, { model })
  expect(lines).toHaveLength(1)
  expect(lines[0]?.trimEnd()).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
  for (const shown of ['\\u001b[31m', '\\u202ered', '\\u0007', '\\u009b2J', '\\ud800', '\\u2028', '\\u200f'])
    expect(lines[0]).toContain(shown)
})

test('known secrets are redacted', () => {
  const { log, lines } = logOf('text')
  log.warn('says known-secret', { reason: 'known-secret' })
  expect(lines[0]?.slice(20)).toBe('warn  says [redacted] reason=[redacted]\n')
})

test.each<[string, Partial<RequestRecord>, string[]]>([
  [
    'that went well',
    { status: 200, model: 'm', firstTokenMs: 5, usage: { inputTokens: 1, outputTokens: 2 } },
    ['info  POST /x id=req_1 model=m status=200 ms=9 firstTokenMs=5 inputTokens=1 outputTokens=2'],
  ],
  [
    'with what was found on the way',
    { status: 200, notes: ['a', 'b c'], ignored: ['/d'] },
    ['info  POST /x id=req_1 status=200 ms=9 ignored=/d notes="a; b c"'],
  ],
  [
    'that failed, and what the upstream said of it',
    { error: new GatewayError('rate-limited', 'Too much.', { detail: { code: 1302, text: 'said' } }) },
    [
      'warn  POST /x id=req_1 status=429 ms=9 error=rate_limited reason="Too much." detail="{\\"code\\":1302}"',
      'debug the upstream said id=req_1 text=said',
    ],
  ],
  [
    'of a caller that was let in',
    { caller: { keyId: 'k1', label: 'ann’s laptop', scope: [], policy: {} }, status: 200 },
    ['info  POST /x id=req_1 caller="ann’s laptop" status=200 ms=9'],
  ],
  [
    'that failed without more to say',
    { error: new GatewayError('rate-limited', 'Too much.', { detail: { text: 'said' } }) },
    [
      'warn  POST /x id=req_1 status=429 ms=9 error=rate_limited reason="Too much."',
      'debug the upstream said id=req_1 text=said',
    ],
  ],
])('the line of a request %s', async (_name, known, expected) => {
  const { log, lines } = logOf('text')
  const clock = manualClock()
  const record = Object.assign(openRecord('req_1', 'POST', '/x', clock), known)
  clock.advance(9)
  closeRecord(record, clock, log)
  expect(lines.map((line) => line.slice(20, -1))).toEqual(expected)
})

import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../src/core/errors.ts'
import { createRedactor } from '../../src/core/known-secrets.ts'
import { createLog, type LogOptions } from '../../src/observe/log.ts'
import { closeRecord, openRecord, type RequestRecord } from '../../src/observe/record.ts'
import { requestLine } from '../../src/observe/request-line.ts'
import { manualClock } from '../support/clock.ts'

const clock = manualClock()

function recordOf(known: Partial<RequestRecord>): RequestRecord {
  return Object.assign(openRecord('req_1', 'POST', '/v1/messages', clock), known)
}

const usage = { inputTokens: 12_345, outputTokens: 340 }

describe('one line a request', () => {
  test.each<[string, Partial<RequestRecord>, number, string]>([
    [
      'of an agent',
      {
        ...{ status: 200, client: { name: 'Claude Code' }, requestedModel: 'claude-opus-4-5', model: 'glm-5.3' },
        ...{ firstTokenMs: 812, usage, cost: { usd: 0.01234 } },
      },
      12_400,
      '200 Claude Code claude-opus-4… → glm-5.3        0.8s  12.4s  12.3k→340  $0.0123',
    ],
    [
      'of a model under its own name, paid in credits, with a note',
      {
        ...{ status: 200, client: { name: 'openai-python' }, requestedModel: 'glm-5.3', model: 'glm-5.3' },
        ...{ usage: { inputTokens: 2_500_000, outputTokens: 5 }, cost: { credits: 1.234 }, notes: ['tried again'] },
      },
      640_000,
      '200 openai-pyt… glm-5.3                                640s  2.5M→5  1.23 cr  tried again',
    ],
    [
      'that failed',
      { client: { name: 'curl' }, model: 'glm-4.6', error: new GatewayError('rate-limited', 'Too much.') },
      9,
      '429 curl        glm-4.6                                0.0s  rate_limited',
    ],
    ['without a model', { status: 404 }, 4, '404 -           POST /v1/messages                      0.0s'],
  ])('%s', (_name, known, ms, line) => expect(requestLine(recordOf(known), ms)).toBe(line))

  test('is cut at 100 columns, the time included', () => {
    const name = 'x'.repeat(500)
    const line = requestLine(
      recordOf({ status: 200, client: { name }, requestedModel: name, model: name, notes: [name] }),
      1e9,
    )
    expect(line.length).toBeLessThanOrEqual(91)
    expect(line).toEndWith('…')
  })

  test('keeps no half of a character', () => {
    for (let length = 0; length < 40; length++)
      expect(requestLine(recordOf({ status: 200, model: `${'x'.repeat(length)}😀😀😀` }), 1).isWellFormed()).toBe(true)
  })
})

describe('the log', () => {
  function linesOf(
    options: Pick<LogOptions, 'format' | 'terminal'>,
    write: (log: ReturnType<typeof createLog>) => void,
  ) {
    const lines: string[] = []
    const redact = createRedactor(['known-secret'])
    const log = createLog({
      ...options,
      level: () => 'debug',
      now: clock.now,
      redact,
      write: (line) => lines.push(line()),
    })
    write(log)
    return lines
  }
  const aRequest = (known: Partial<RequestRecord>) => (log: ReturnType<typeof createLog>) =>
    closeRecord(recordOf({ model: 'glm-4.6', ...known }), clock, log)
  const short = /^\d\d:\d\d:\d\d 200 - {11}glm-4.6 {31} 0\.0s\n$/
  const long = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d info {2}POST \/v1\/messages id=req_1 model=glm-4.6 status=200 ms=0\n$/

  test.each<[Pick<LogOptions, 'format' | 'terminal'>, RegExp]>([
    [{ format: 'auto', terminal: 'plain' }, short],
    [{ format: 'auto' }, long],
    [{ format: 'short' }, short],
    [{ format: 'text', terminal: 'colour' }, long],
    [{ format: 'json', terminal: 'colour' }, /^\{"@timestamp":.+"properties":\{"id":"req_1",.+\}\}\n$/],
  ])('as %j', (options, expected) => {
    expect(linesOf(options, aRequest({ status: 200 }))).toEqual([expect.stringMatching(expected)])
  })

  test('a line that is no request has its level and its facts', () => {
    expect(linesOf({ format: 'short' }, (log) => log.warn('not ready', { because: 'two words' }))).toEqual([
      expect.stringMatching(/^\d\d:\d\d:\d\d warn {2}not ready because="two words"\n$/),
    ])
  })

  test('an error within is told in full', () => {
    const error = new GatewayError('internal', 'It broke.', { cause: new Error('why') })
    expect(linesOf({ format: 'short' }, aRequest({ error })).join('')).toContain('Error: why')
  })

  test.each<[Partial<RequestRecord>, string]>([
    [{ status: 200 }, '32'],
    [{ error: new GatewayError('rate-limited', 'Too much.') }, '33'],
    [{ error: new GatewayError('upstream-unavailable', 'Gone.') }, '31'],
  ])('a terminal shows %j in its colour', (known, colour) => {
    const [line = ''] = linesOf({ format: 'auto', terminal: 'colour' }, aRequest(known))
    expect(line).toMatch(
      new RegExp(`^\\u001b\\[2m\\d\\d:\\d\\d:\\d\\d\\u001b\\[0m \\u001b\\[${colour}m\\d{3}\\u001b\\[0m - `),
    )
  })

  test('clients colour nothing, and secrets are left out', () => {
    const client = { name: 'a\u001b[31m' }
    const [line = ''] = linesOf({ format: 'auto', terminal: 'plain' }, aRequest({ client, notes: ['known-secret'] }))
    expect(line.trimEnd()).not.toMatch(/\p{Cc}/u)
    expect(line).toContain('[redacted]')
  })
})

import { describe, expect, test } from 'bun:test'
import { createSecretFinder } from '../../src/core/known-secrets.ts'
import { redactChunks, redactDeep, redactHeaders, redactUrl, secretFinder } from '../../src/observe/redaction.ts'
import { cpuTimeMs } from '../support/cpu-time.ts'

const secret = 'Pl4nted-Secret.0123456789abcdef'
const find = secretFinder(createSecretFinder([secret]))

test.each<[string, string[], string[]]>([
  ['nothing secret', ['one', ' two'], ['one', ' two']],
  ['inside one chunk', [`a ${secret} b`], ['a [redacted] b']],
  ['across two', [`a ${secret.slice(0, 15)}`, `${secret.slice(15)} b`], ['a [redacted]', ' b']],
  [
    'across three',
    [`a ${secret.slice(0, 5)}`, secret.slice(5, 20), `${secret.slice(20)} b`],
    ['a [redacted]', '', ' b'],
  ],
  ['one character each', [...secret, ' b'], ['[redacted]', ...[...secret].slice(1).map(() => ''), ' b']],
  ['at a border', [secret, secret], ['[redacted]', '']],
  ['twice in a row', [`${secret} ${secret}`, ' end'], ['[redacted] [redacted]', ' end']],
  ['a key of somebody', ['use sk-somebodyelses', 'key012345 now'], ['use [redacted]', ' now']],
  ['a key of this gateway', ['z2a_0123456789abcdef'], ['[redacted]']],
  [
    'keys of other vendors',
    [
      `ghp_${'a1B2'.repeat(9)} glpat-a1B2c3D4e5F6g7H8 xoxb-1234567890-ab AIza${'Sy1-'.repeat(9)} hf_${'a1B2'.repeat(8)}`,
    ],
    ['[redacted] [redacted] [redacted] [redacted] [redacted]'],
  ],
  [
    'passwords in addresses',
    ['{"a":"https:\\/\\/me:pw1@host\\/","b":"postgres://u:pw2@host/db","c":"http://host:80/a@b","d":"git@host:me/a"}'],
    [
      '{"a":"https:\\/\\/me:[redacted]@host\\/","b":"postgres://u:[redacted]@host/db","c":"http://host:80/a@b","d":"git@host:me/a"}',
    ],
  ],
  [
    'a header in a text',
    ['curl -H "Authorization: Bearer abcdefghijklmnop"'],
    ['curl -H "Authorization: Bearer [redacted]"'],
  ],
])('%s', (_name, chunks, expected) => {
  expect(redactChunks(chunks, find)).toEqual(expected)
})

describe('a secret across the pieces of a streamed reply', () => {
  const events: [string, (piece: string) => string][] = [
    [
      'Chat Completions',
      (piece) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: piece } }] })}\n\n`,
    ],
    [
      'arguments',
      (piece) =>
        `data: ${JSON.stringify({ choices: [{ delta: { tool_calls: [{ function: { arguments: JSON.stringify(piece).slice(1, -1) } }] } }] })}\n\n`,
    ],
    [
      'Messages',
      (piece) =>
        `event: content_block_delta\ndata: ${JSON.stringify({ type: 'content_block_delta', delta: { type: 'text_delta', text: piece } })}\n\n`,
    ],
    ['Responses', (piece) => `data: ${JSON.stringify({ type: 'response.output_text.delta', delta: piece })}\n\n`],
    ['the site', (piece) => `data: ${JSON.stringify({ data: { delta_content: piece, phase: 'answer' } })}\n\n`],
  ]
  test.each(events)('%s', (_name, eventOf) => {
    for (const size of [1, 2, 3, 5, 8, 13, 21]) {
      const text = `Look: ${secret}, that is it.`
      const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []
      const clean = redactChunks(pieces.map(eventOf), find)
      expect(clean.length).toBe(pieces.length)
      const joined = clean
        .join('')
        .matchAll(/"(?:content|arguments|text|delta|delta_content)":"([^"]*)"/g)
        .map(([, piece]) => piece)
      expect([...joined].join('').replace(/(?:\[redacted\])+/, '*')).toBe('Look: *, that is it.')
      // What is left are the same events.
      for (const event of clean.join('').split('\n\n').slice(0, -1))
        expect(() => JSON.parse(event.slice(event.indexOf('data: ') + 6))).not.toThrow()
    }
  })
})

test('headers lose their value by their name, and what looks like a secret', () => {
  const headers: [string, string][] = [
    ['authorization', 'Bearer whatever-it-is'],
    ['x-api-key', 'short'],
    ['cookie', 'session=1'],
    ['x-auth-token', 'abc'],
    ['x-signature', 'f00'],
    ['user-agent', 'claude-cli/2.1 (external, cli)'],
    ['x-note', `the key is ${secret}`],
    ['x-claude-code-session-id', 'e2c0-4d'],
    ['anthropic-ratelimit-tokens-remaining', '12'],
    ['x-ratelimit-limit-tokens', '40000'],
    ['www-authenticate', 'Bearer realm="mcp"'],
    ['x-author', 'Ada'],
    ['x-keyword', 'word'],
    ['apikey', 'short'],
    ['x-apikey', 'short'],
    ['x-auth', 'short'],
    ['x-authorization', 'Token short'],
    ['x-access_key', 'short'],
    ['x-api-secret-v2', 'short'],
    ['x-passwd', 'short'],
    ['x-csrf', 'short'],
    ['referer', 'https://me:short@host/?token=short&page=2#access_token=short'],
  ]
  expect(redactHeaders(headers, find)).toEqual([
    ['authorization', 'Bearer [redacted]'],
    ['x-api-key', '[redacted]'],
    ['cookie', '[redacted]'],
    ['x-auth-token', '[redacted]'],
    ['x-signature', '[redacted]'],
    ['user-agent', 'claude-cli/2.1 (external, cli)'],
    ['x-note', 'the key is [redacted]'],
    ['x-claude-code-session-id', 'e2c0-4d'],
    ['anthropic-ratelimit-tokens-remaining', '12'],
    ['x-ratelimit-limit-tokens', '40000'],
    ['www-authenticate', 'Bearer realm="mcp"'],
    ['x-author', 'Ada'],
    ['x-keyword', 'word'],
    ['apikey', '[redacted]'],
    ['x-apikey', '[redacted]'],
    ['x-auth', '[redacted]'],
    ['x-authorization', 'Token [redacted]'],
    ['x-access_key', '[redacted]'],
    ['x-api-secret-v2', '[redacted]'],
    ['x-passwd', '[redacted]'],
    ['x-csrf', '[redacted]'],
    ['referer', 'https://[redacted]@host/?token=[redacted]&page=2#access_token=[redacted]'],
  ])
})

test('URLs lose tokens, keys and passwords', () => {
  expect(redactUrl('https://me:pw@host/a/b?token=abc&requestId=1&api_key=x&signature_timestamp=5#end', find)).toBe(
    'https://[redacted]@host/a/b?token=[redacted]&requestId=1&api_key=[redacted]&signature_timestamp=[redacted]#end',
  )
})

test('an address of nothing but names of secrets costs no more than another', () => {
  const url = `/v1/models?a${'?key'.repeat(500_000)}`
  expect(redactUrl(url, find)).toBe(url)
  expect(redactUrl(`${url}=abc&b=1`, find)).toBe(`${url}=[redacted]&b=1`)
})

test('a long reply with much to look at takes no time to speak of', () => {
  const event = (piece: string) => `data: ${JSON.stringify({ choices: [{ delta: { content: piece } }] })}\n\n`
  const chunks = Array.from({ length: 20_000 }, (_, at) => event(`word${at} "quoted" \\ `))
  const startedAt = cpuTimeMs()
  expect(redactChunks(chunks, find)).toEqual(chunks)
  expect(cpuTimeMs() - startedAt).toBeLessThan(5_000)
})

describe('what resembles secrets everywhere takes no longer than other texts', () => {
  const size = 400_000
  const repeated = (text: string) => text.repeat(size / text.length)
  test.each<[string, string]>([
    ['beginnings of tokens', repeated('eyJ')],
    ['tokens cut short', repeated('eyJ.')],
    ['escapes of JSON', repeated('\\"')],
    ['escapes of URLs', repeated('%41')],
    ['addresses', repeated('://')],
    ['addresses with a user', repeated('://a:')],
    ['many members', Array.from({ length: size / 20 }, (_, at) => `"n${at}":"v","n${at}":"w"`).join()],
    ['a key in each event', repeated('{"text":"sk-somebodyelseskey"}\n')],
  ])('%s', (_what, text) => {
    const startedAt = cpuTimeMs()
    redactChunks([text], find)
    expect(cpuTimeMs() - startedAt).toBeLessThan(2_500)
  })
})

test.each<[string, (text: string) => unknown]>([
  ['a text', (text) => text],
  ['a member', (text) => ({ other: 'words', number: 1, nothing: null, text })],
  ['deep in lists', (text) => ({ steps: [{ labels: ['a', [text]] }, {}], kept: 'as it is' })],
  ['one of many', (text) => ['%', '\\u00', text, '41', '\\']],
])('secrets are taken out of values: %s', (_name, valueWith) => {
  for (const hidden of [secret, encodeURIComponent(secret), 'sk-somebodyelseskey', `{"a":"x","a":"y${secret}"}`]) {
    const redacted = JSON.stringify(redactDeep(valueWith(`see ${hidden} there`), find))
    expect(redacted).toContain('[redacted]')
    expect(redacted).not.toContain(secret)
    expect(redacted).not.toContain(hidden)
  }
  const pieces = `{"d":"${secret.slice(0, 12)}"} {"d":"${secret.slice(12)}"}`
  expect(redactDeep(valueWith(pieces), find)).not.toEqual(valueWith(pieces))
  expect(redactDeep(valueWith('as it is'), find)).toEqual(valueWith('as it is'))
})

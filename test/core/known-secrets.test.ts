import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { createRedactor } from '../../src/core/known-secrets.ts'
import { runs } from '../support/effort.ts'

const key = 'sk-Q7mZx2Lr9TbVw4Nc8KdYh5Jg3Fs'
const apiKey = `${'5ec2e7'.repeat(5)}ab.PlantedApiKey12x`
const phrase = 'p"ss wörd/1'
const redact = createRedactor([key, apiKey, phrase, 'longer-secret', 'longer-secret-still', 'abc', 'Monday12'])

const base64 = (text: string) => Buffer.from(text).toString('base64')

describe('known secrets are removed', () => {
  test.each<[string, string, string]>([
    ['as they are', `x ${phrase} y`, 'x [redacted] y'],
    ['in a URL', `x?${encodeURIComponent(phrase)}`, 'x?[redacted]'],
    ['in a URL in lower case', `x?${encodeURIComponent('wörd').toLowerCase()}`, 'x?w%c3%b6rd'],
    [
      'with every character escaped',
      `x?${key.replace(/./g, (one) => `%${one.charCodeAt(0).toString(16)}`)}&y`,
      'x?[redacted]&y',
    ],
    ['in JSON', JSON.stringify({ a: phrase }), '{"a":"[redacted]"}'],
    [
      'in JSON in JSON',
      JSON.stringify(JSON.stringify({ a: `"${key}"` })),
      '"{\\"a\\":\\"\\\\\\"[redacted]\\\\\\"\\"}"',
    ],
    ['in JSON of escapes', `"\\u0073\\u006b-${key.slice(3)}"`, '"[redacted]"'],
    ['in base64', base64(phrase), '[redacted]'],
    ['where one contains the other', 'longer-secret-still', '[redacted]'],
    ['more than once', 'longer-secret longer-secret', '[redacted] [redacted]'],
    ['in capitals', `KEY=${key.toUpperCase()};`, 'KEY=[redacted];'],
    ['in small letters', `key=${key.toLowerCase()};`, 'key=[redacted];'],
    ['in hex', `x ${Buffer.from(key).toString('hex')} y`, 'x [redacted] y'],
    ['in hex in capitals', `x ${Buffer.from(key).toString('hex').toUpperCase()} y`, 'x [redacted] y'],
    ['without their prefix', `x ${key.slice(3)} y`, 'x [redacted] y'],
    ['without their id', 'x PlantedApiKey12x y', 'x [redacted] y'],
    ['cut short', `begins with ${key.slice(0, 18)}…`, 'begins with [redacted]…'],
    ['from the middle on', `ends in …${key.slice(-18)}`, 'ends in …[redacted]'],
    ['without both ends', `*${key.slice(5, -5)}*`, '*[redacted]*'],
  ])('%s', (_where, text, clean) => {
    expect(redact(text)).toBe(clean)
  })

  test.each(['Bearer ', 'key:', 'user-1:', 'x', ''])('in base64 behind %p', (before) => {
    for (const after of ['', '\n', ':x', '"}']) {
      const encoded = base64(`${before}${key}${after}`)
      // The characters that are left encode the text around the secret and at most four bits of the secret.
      for (const text of [encoded, encoded.replaceAll('+', '-').replaceAll('/', '_'), encodeURIComponent(encoded)])
        expect(redact(`Basic ${text}`)).toMatch(/^Basic [\w+/-]{0,12}\[redacted\][\w+/=-]{0,5}(?:%3D){0,2}$/)
    }
  })
})

describe('other texts are unchanged', () => {
  test.each([
    ['a secret too short to be one', 'abc'],
    ['a short secret in another case', 'on monday12'],
    ['a mask', `sk-Q7m…${key.slice(-4)}`],
    ['less than half of a secret', key.slice(0, 14)],
    ['a line of the log', '07:16:33 INFO POST /v1/chat/completions 200 model=GLM-4.6 id=req_8sKd92jdkALs82ndkslQ9a3f'],
    ['letters that change their length', 'İ'.repeat(20)],
    ['broken escapes', '%zz %2 \\u12 &#; %'],
  ])('%s', (_what, text) => {
    expect(redact(text)).toBe(text)
  })
})

const alphabet = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~+/=']
const anyKey = fc.string({ unit: fc.constantFrom(...alphabet), minLength: 12, maxLength: 120 })
/** Bytes before and after a secret, encoded together with it. */
const beside = fc.string({ unit: fc.constantFrom(...'Bearer :"{}\n'), maxLength: 7 })
const around = fc.constantFrom('', ' ', '"', ' (key) ', '…', '错')

/** Encodings, each with its number of characters per character of the secret. */
const encodings: [string, (text: string) => string, number][] = [
  ['raw', (text) => text, 1],
  ['upper', (text) => text.toUpperCase(), 1],
  ['lower', (text) => text.toLowerCase(), 1],
  ['hex', (text) => Buffer.from(text).toString('hex'), 2],
  ['base64', base64, 4 / 3],
  ['base64url', (text) => Buffer.from(text).toString('base64url'), 4 / 3],
]

test.each(encodings)('no part of half a random secret is left in %s', (_name, encode, width) => {
  fc.assert(
    fc.property(
      anyKey,
      beside,
      beside,
      around,
      around,
      fc.nat(),
      fc.nat(),
      (secret, left, right, before, after, from, more) => {
        const least = Math.max(12, Math.ceil(secret.length / 2))
        const length = least + (more % (secret.length - least + 1))
        const start = from % (secret.length - length + 1)
        const part = secret.slice(start, start + length)
        const clean = createRedactor([secret])(`${before}${encode(left + part + right)}${after}`)
        expect(clean).toContain('[redacted]')
        expect(clean.startsWith(before)).toBe(true)
        expect(clean.endsWith(after)).toBe(true)
        // The text around it, and base64 digits that encode both a piece of the secret and something else.
        const rest = (left.length + right.length) * width + 8
        expect(clean.length).toBeLessThanOrEqual(before.length + after.length + '[redacted]'.length + rest)
      },
    ),
    { numRuns: runs(200) },
  )
})

test('random secrets leave ordinary text unchanged', () => {
  const words = fc.constantFrom(
    ...'the model answered with status 400 because tools[0].function.name is /v1/messages required'.split(' '),
  )
  const secret = fc.uuid().map((id) => `sk-${id.replaceAll('-', '')}`)
  fc.assert(
    fc.property(fc.array(secret, { maxLength: 5 }), fc.array(words), (secrets, text) => {
      expect(createRedactor(secrets)(text.join(' '))).toBe(text.join(' '))
    }),
  )
})

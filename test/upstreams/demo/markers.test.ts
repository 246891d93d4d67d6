import { describe, expect, test } from 'bun:test'
import { directions, markers } from '../../../src/upstreams/demo/markers.ts'
import { cpuTimeMs } from '../../support/cpu-time.ts'

const none = {
  silenceMs: 0,
  think: false,
  json: false,
  badJson: false,
  loop: false,
  empty: false,
  callCount: 0,
  calls: [],
  ending: 'whole' as const,
}

describe('a marker has its effect and is removed from the text', () => {
  test.each([
    ['[think] why', { userText: 'why', think: true }],
    ['two [tools] please', { userText: 'two  please', callCount: 2 }],
    ['[tools:5]', { userText: '', callCount: 5 }],
    ['[tools:999]', { userText: '', callCount: 32 }],
    ['[json]', { userText: '', json: true }],
    ['[bad-json]', { userText: '', badJson: true }],
    ['[loop]', { userText: '', loop: true }],
    ['[chinese] hello', { userText: 'hello', language: 'zh' as const }],
    ['[long]', { userText: '', words: 500 }],
    ['[long:12]', { userText: '', words: 12 }],
    ['[empty]', { userText: '', empty: true }],
    ['[slow]', { userText: '', paceMs: 500 }],
    ['[fast]', { userText: '', paceMs: 0 }],
    ['[silence]', { userText: '', silenceMs: Number.POSITIVE_INFINITY }],
    ['[silence:1500]', { userText: '', silenceMs: 1500 }],
    ['[stall]', { userText: '', ending: 'stall' as const }],
    ['[cut]', { userText: '', ending: 'cut' as const }],
    ['[error-mid]', { userText: '', ending: 'error' as const }],
    ['[length]', { userText: '', ending: 'length' as const }],
    ['[filter]', { userText: '', ending: 'content-filter' as const }],
    ['[FAST] loud', { userText: 'loud', paceMs: 0 }],
    ['[fast][think] both', { userText: 'both', paceMs: 0, think: true }],
    ['[tool:look]', { userText: '', calls: [{ name: 'look' }] }],
    ['a[tool:look {"at": ["[x]", 1]}]b', { userText: 'ab', calls: [{ name: 'look', value: '{"at": ["[x]", 1]}' }] }],
    ['[tool:a {"say":"[think]"}]', { userText: '', calls: [{ name: 'a', value: '{"say":"[think]"}' }] }],
    ['[tool:a {}] [tool:b]', { userText: '', calls: [{ name: 'a', value: '{}' }, { name: 'b' }] }],
  ])('%s', (text, expected) => {
    expect(directions(text)).toEqual({ ...none, ...expected })
  })
})

describe('text that is no marker stays', () => {
  test.each([
    '[unknown]',
    '[unknown:3]',
    '[silence:soon]',
    '[silence:-1]',
    '[long:0]',
    '[long:]',
    '[think:hard]',
    '[429:now]',
    '[tool]',
    '[tool:look {"at": 1]',
    '[tool:look {"at"}]',
    '[tool:two words]',
    '[fast',
    'list[0] and [link](https://example.com)',
    '😀 [] 👍',
  ])('%s', (text) => {
    expect(directions(text)).toEqual({ ...none, userText: text })
  })
})

test('an invalid marker does not hide the next one', () => {
  expect(directions('[tool:look {oops} [fast]')).toEqual({ ...none, userText: '[tool:look {oops}', paceMs: 0 })
})

test.each([
  ['[401]', 'upstream-auth', 'upstream_auth'],
  ['[402]', 'quota-exhausted', 'quota_exhausted'],
  ['[429]', 'rate-limited', 'rate_limited'],
  ['[500]', 'upstream-unavailable', 'upstream_unavailable'],
  ['[captcha]', 'upstream-blocked', 'captcha_required'],
  ['[overflow]', 'context-overflow', 'context_overflow'],
])('%s refuses as %s', (text, kind, code) => {
  expect(directions(text).refusal).toMatchObject({ kind, code })
})

test('every row of the public table works as it is written there', () => {
  for (const { marker, effect } of markers) {
    expect(effect).not.toBe('')
    const written = marker.replace('NAME', 'look').replace(/:(N|MS)\]/, ':7]')
    expect(directions(written), marker).not.toEqual({ ...none, userText: written })
  }
})

test('a book of unclosed markers is read in no time', () => {
  const text = '[tool:look {"a":"]'.repeat(200_000)
  const before = cpuTimeMs()
  expect(directions(text).userText).toBe(text)
  expect(cpuTimeMs() - before).toBeLessThan(5_000)
})

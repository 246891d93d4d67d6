import { expect, test } from 'bun:test'
import { visibleName, visibleWord } from '../../src/core/visible-name.ts'

test.each([
  ['ci', 'ci'],
  [' two  words ', 'two words'],
  ['Jose\u0301', 'Jos\u00e9'],
  ['张三的笔记本', '张三的笔记本'],
  ['naïve-bot_2 (été)', 'naïve-bot_2 (été)'],
  ['🚀 deploy', '🚀 deploy'],
])('%p is a name', (text, name) => {
  expect(visibleName(text, 64)).toBe(name)
})

const unseen = {
  'a zero-width space': '\u200b',
  'a zero-width joiner': '\u200d',
  'a soft hyphen': '\u00ad',
  'a change of direction': '\u202e',
  'an isolate': '\u2066',
  'a mark of direction': '\u061c',
  'a byte order mark': '\ufeff',
  'a filler of Hangul': '\u3164',
  'a half-width filler': '\uffa0',
  'a Braille pattern without dots': '\u2800',
  'a combining joiner': '\u034f',
  'a variation selector': '\ufe0f',
  'a tag': '\u{e0061}',
  'a no-break space': '\u00a0',
  'a wide space': '\u3000',
  'a line break': '\n',
  'a line separator': '\u2028',
  'an escape': '\u001b',
  'a control character above ASCII': '\u0085',
  'half a character': '\ud83d',
  'a character of private use': '\ue000',
}

test.each(Object.entries(unseen))('%s is in no name', (_what, character) => {
  expect(visibleName(`a${character}b`, 64)).toBeUndefined()
})

test('an empty name, a long one and a lone mark are none', () => {
  for (const text of ['', '   ', 'x'.repeat(65), '\u0301a']) expect(visibleName(text, 64)).toBeUndefined()
  expect(visibleName(`${'x'.repeat(63)}e\u0301`, 64)).toHaveLength(64)
})

test('the pattern for schemas knows the same characters, apart from private ones and halves', () => {
  const word = new RegExp(visibleWord)
  const differing: string[] = []
  for (let code = 0; code < 0x10000; code++) {
    const character = String.fromCharCode(code)
    if (/[\p{Cs}\p{Co}\p{Cn}]/u.test(character) || character === ' ') continue
    const isName = visibleName(`a${character}b`, 64) !== undefined
    if (word.test(`a${character}b`) !== isName) differing.push(code.toString(16))
  }
  expect(differing).toEqual([])
  expect(word.test('a\u{e0061}b')).toBe(false)
  expect(word.test('🚀')).toBe(true)
})

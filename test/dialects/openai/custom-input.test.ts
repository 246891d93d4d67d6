import { expect, test } from 'bun:test'
import { customInput, runningInput } from '../../../src/dialects/openai/custom-input.ts'

const texts = [
  '',
  'plain',
  'line\nline\r\n\ttab',
  '"quoted" and \\back\\slashed\\',
  'a literal \\ud83d and \\n',
  'é 世界 🙂🙃',
  '\u0000\u001f\u2028 </script>',
  '*** Begin Patch\n+const a = "}{\\"]"\n*** End Patch\n',
]
const spellings: [string, (text: string) => string][] = [
  ['as JSON writes it', (text) => JSON.stringify({ input: text })],
  ['with spaces and a second member', (text) => `\n{ "input" : ${JSON.stringify(text)} , "why": "input" }`],
  [
    'all escaped',
    (text) =>
      `{"input":"${Array.from({ length: text.length }, (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')}"}`,
  ],
  ['with escaped slashes', (text) => JSON.stringify({ input: text }).replaceAll('/', '\\/')],
]

test.each(spellings)('%s, cut anywhere, it is read as the same text', (_name, spell) => {
  for (const text of texts)
    for (const size of [1, 2, 3, 5, 7, 1000]) {
      const args = spell(text)
      const input = runningInput()
      const pieces = Array.from({ length: Math.ceil(args.length / size) }, (_, n) =>
        input.push(args.slice(n * size, (n + 1) * size)),
      )
      expect(pieces.join('')).toBe(text)
      // A lone half of a pair would break clients that keep text in UTF-8.
      expect(pieces.every((piece) => piece.isWellFormed())).toBe(true)
      expect(input.end(args)).toEqual({ input: text, rest: '' })
      expect(customInput(args)).toBe(text)
    }
})

test.each([
  ['another name', '{"patch":"a"}', 'a'],
  ['two other names', '{"patch":"a","why":"b"}', '{"patch":"a","why":"b"}'],
  ['no text', '{"input":{"a":1}}', '{"input":{"a":1}}'],
  ['no object', '"a"', '"a"'],
  ['cut before the text', '{"inp', '{"inp'],
  ['cut inside the text', '{"input":"a\\nb', 'a\nb'],
  ['cut inside an escape', '{"input":"a\\u00', 'a'],
  ['a second place in the object', '{"why":"x","input":"a"}', 'a'],
])('arguments with %s', (_name, args, expected) => {
  expect(customInput(args)).toBe(expected)
})

test.each([
  ['all of it, where nothing could be read', ['{"patch":', '"a"}'], { input: 'a', rest: 'a' }],
  ['none of it, where the whole is another text', ['{"input":"a', '"', ',"input":"b"}'], { input: 'b', rest: '' }],
])('what is read at the end: %s', (_name, pieces, expected) => {
  const input = runningInput()
  for (const piece of pieces) input.push(piece)
  expect(input.end(pieces.join(''))).toEqual(expected)
})

import { expect, test } from 'bun:test'
import { stringStop } from '../../src/prompted-tools/string-stop.ts'

/** The same, one character after the other. */
function simpleStop(position: { escaped: boolean }, text: string, from: number, legal?: 'legal'): number {
  for (let at = from; at < text.length; at++) {
    const char = text.charAt(at)
    if (position.escaped) position.escaped = false
    else if (char === '\\') position.escaped = true
    else if (char === '"' || (legal && char < ' ')) return at
  }
  return text.length
}

/** Units that come together in every order: stops, what hides them, and runs longer than what is read one by one. */
const units = ['"', '\\', '\n', 'a', '汉', 'x'.repeat(70), '\\'.repeat(63), '\\'.repeat(64), '\\"'.repeat(40), '\u0000']

test.each(['legal', undefined] as const)('a string stops where it does character by character (%p)', (legal) => {
  const wrong: unknown[] = []
  for (const first of units)
    for (const second of units)
      for (const third of units)
        for (const escaped of [false, true])
          for (const lead of ['', 'x'.repeat(64)]) {
            const text = `${lead}${first}${second}${third}`
            const [position, expected] = [{ escaped }, { escaped }]
            const stop = stringStop(position, text, 0, legal)
            const right = simpleStop(expected, text, 0, legal)
            if (stop !== right || position.escaped !== expected.escaped) wrong.push([text, escaped, stop, right])
          }
  expect(wrong).toEqual([])
})

import { expect, test } from 'bun:test'
import { joinInPortions, utf8InPortions } from '../../src/async/bytes-in-portions.ts'

/** Longer than a portion, with a character of two units across its end. */
const long = `${'a'.repeat(262_143)}🙂汉字${'é'.repeat(300_000)}`

function counted() {
  let pauses = 0
  return {
    pause: () => {
      pauses++
      return undefined
    },
    pauses: () => pauses,
  }
}

test.each(['', 'a', long])('a text becomes its UTF-8', async (text) => {
  const bytes = await utf8InPortions(text, () => undefined)
  expect(bytes.equals(Buffer.from(text))).toBe(true)
})

test('pieces of any length are joined, with a pause behind each portion', async () => {
  const pieces = [long, '', 'a', long + long].map((text) => Buffer.from(text))
  const whole = Buffer.concat(pieces)
  const { pause, pauses } = counted()
  const joined = await joinInPortions(pieces, whole.length, pause)
  expect(joined.equals(whole)).toBe(true)
  expect(pauses()).toBeGreaterThan(whole.length / 262_144)
})

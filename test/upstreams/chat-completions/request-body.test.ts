import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { createRequestBodyWriter, type EncodedRequest } from '../../../src/upstreams/chat-completions/request-body.ts'
import { manualClock } from '../../support/clock.ts'

const system = { role: 'system', content: 'Du bist 一个助手 🙂. '.repeat(4_000) }

function textOf(written: string | readonly Uint8Array[]): string {
  return typeof written === 'string' ? written : Buffer.concat(written).toString()
}

test('what is written is JSON.stringify, for sessions that go on, branch off and go back', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 20 })
  const item = fc.record({ role: text, content: fc.jsonValue({ maxDepth: 3 }), name: fc.constant(undefined) })
  const turn = fc.record({ keep: fc.nat({ max: 12 }), add: fc.array(item, { maxLength: 6 }), tools: fc.array(item) })
  fc.assert(
    fc.property(fc.array(turn, { minLength: 2, maxLength: 10 }), (turns) => {
      const writer = createRequestBodyWriter(manualClock())
      let messages: object[] = []
      // All are compared at the end: what was written first must not be changed by what comes later.
      const all = turns.map(({ keep, add, tools }, index): [EncodedRequest, string | readonly Uint8Array[]] => {
        messages = [...messages.slice(0, keep), ...add]
        const body = {
          model: 'glm',
          messages: structuredClone([system, ...messages]),
          ...(index % 3 === 0 ? {} : { stream: true, left: undefined }),
          ...(tools.length > 0 ? { tools } : {}),
          ...(index % 2 === 0 ? {} : { temperature: 0.5 }),
        }
        return [body, writer.write(body, 'one')]
      })
      for (const [body, written] of all) expect(textOf(written)).toBe(JSON.stringify(body))
    }),
    { numRuns: 200 },
  )
})

test('the bytes of known messages are not written again, but those of another caller are not used', () => {
  const writer = createRequestBodyWriter(manualClock())
  const write = (messages: object[], owner: string) => {
    const written = writer.write({ model: 'glm', messages }, owner)
    return typeof written === 'string' ? undefined : written[1]?.buffer
  }
  const first = write([system, { role: 'user', content: 'One' }], 'one')
  expect(first).toBeDefined()
  expect(write([system, { role: 'user', content: 'One' }, { role: 'user', content: 'Two' }], 'one')).toBe(first)
  expect(write([system, { role: 'user', content: 'One' }], 'two')).not.toBe(first)
})

test('two conversations with one beginning keep their own ends', () => {
  const writer = createRequestBodyWriter(manualClock())
  const body = (...contents: string[]) => ({
    model: 'glm',
    messages: [system, ...contents.map((content) => ({ role: 'user', content }))],
  })
  const written = [body('a'), body('a', 'b'), body('a', 'c'), body('a', 'b', 'd'), body('a', 'c', 'e')].map(
    (one) => [one, writer.write(one, 'one')] as const,
  )
  for (const [one, bytes] of written) expect(textOf(bytes)).toBe(JSON.stringify(one))
})

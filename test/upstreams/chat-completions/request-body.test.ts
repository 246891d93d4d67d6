import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { createRequestBodyWriter, type EncodedRequest } from '../../../src/upstreams/chat-completions/request-body.ts'
import { manualClock } from '../../support/clock.ts'

const system = { role: 'system', content: 'Du bist 一个助手 🙂. '.repeat(4_000) }

function textOf(written: string | readonly Uint8Array[]): string {
  return typeof written === 'string' ? written : Buffer.concat(written).toString()
}

test('what is written is JSON.stringify, for sessions that go on, branch off and go back', async () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 20 })
  const item = fc.record({ role: text, content: fc.jsonValue({ maxDepth: 3 }), name: fc.constant(undefined) })
  const turn = fc.record({ keep: fc.nat({ max: 12 }), add: fc.array(item, { maxLength: 6 }), tools: fc.array(item) })
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { minLength: 2, maxLength: 10 }), async (turns) => {
      const writer = createRequestBodyWriter(manualClock())
      let messages: object[] = []
      // All are compared at the end: what was written first must not be changed by what comes later.
      const all: [EncodedRequest, string | readonly Uint8Array[]][] = []
      for (const [index, { keep, add, tools }] of turns.entries()) {
        messages = [...messages.slice(0, keep), ...add]
        const body = {
          model: 'glm',
          messages: structuredClone([system, ...messages]),
          ...(index % 3 === 0 ? {} : { stream: true, left: undefined }),
          ...(tools.length > 0 ? { tools } : {}),
          ...(index % 2 === 0 ? {} : { temperature: 0.5 }),
        }
        all.push([body, await writer.write(body, 'one')])
      }
      for (const [body, written] of all) expect(textOf(written)).toBe(JSON.stringify(body))
    }),
    { numRuns: 200 },
  )
})

test('the bytes of known messages are not written again, but those of another caller are not used', async () => {
  const writer = createRequestBodyWriter(manualClock())
  const write = async (messages: object[], owner: string) => {
    const written = await writer.write({ model: 'glm', messages }, owner)
    return typeof written === 'string' ? undefined : written[1]?.buffer
  }
  const user = (content: string) => ({ role: 'user', content })
  const first = await write([system, user('One')], 'one')
  expect(first).toBeDefined()
  expect(await write([system, user('One'), user('Two')], 'one')).toBe(first)
  // It goes on where the last one ended, so for the same caller it would be written behind that.
  const longer = [system, user('One'), user('Two'), user('Three')]
  expect(await write(longer, 'two')).not.toBe(first)
  expect(await write(longer, 'one')).toBe(first)
})

test('conversations with one beginning keep their own ends, also when they are written at the same time', async () => {
  const writer = createRequestBodyWriter(manualClock())
  const body = (...contents: string[]) => ({
    model: 'glm',
    messages: [system, ...contents.map((content) => ({ role: 'user', content }))],
  })
  let pauses = 0
  const alwaysPause = () => {
    pauses++
    return new Promise<void>((resolve) => setImmediate(resolve))
  }
  const rounds = [[body('a')], [body('a', 'b'), body('a', 'c')], [body('a', 'b', 'd'), body('a', 'c', 'e')]]
  const written: [EncodedRequest, string | readonly Uint8Array[]][] = []
  for (const bodies of rounds) {
    const texts = await Promise.all(bodies.map((one) => writer.write(one, 'one', alwaysPause)))
    for (const [index, one] of bodies.entries()) written.push([one, texts[index] ?? ''])
  }
  expect(pauses).toBe(6)
  for (const [one, bytes] of written) expect(textOf(bytes)).toBe(JSON.stringify(one))
})

import { expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { gatewayApp } from '../support/gateway.ts'

const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })

async function ask(thinking: 'think' | 'tags' | 'strip' | 'raw', headers: Record<string, string> = {}) {
  const app = gatewayApp([upstream], { thinking })
  const response = await app.handle(
    new Request('http://localhost/v1/chat/completions', {
      method: 'POST',
      headers,
      body: JSON.stringify({ model: 'GLM-4.5-Thinking', messages: [{ role: 'user', content: 'Why?' }] }),
    }),
  )
  return { status: response.status, body: await response.json() }
}

/** Where the reasoning ended up: `field`, the mark in front of the text, or `nowhere`. */
function placeOf({ body }: Awaited<ReturnType<typeof ask>>): string {
  const { reasoning_content: field, content } = body.choices[0].message
  if (field) return 'field'
  return /^<(?:thinking|details type="reasoning" done="true")>/.exec(content)?.[0] ?? 'nowhere'
}

test.each([
  ['think', 'field'],
  ['tags', '<thinking>'],
  ['strip', 'nowhere'],
  ['raw', '<details type="reasoning" done="true">'],
] as const)('THINKING_PROCESSING=%s puts reasoning into %s', async (mode, placement) => {
  expect(placeOf(await ask(mode))).toBe(placement)
})

test('the header changes it for one call', async () => {
  expect(placeOf(await ask('think', { 'x-thinking-processing': 'Tags' }))).toBe('<thinking>')
  expect(placeOf(await ask('strip', { 'x-thinking-processing': 'think' }))).toBe('field')
})

test('a header nobody knows is refused by name', async () => {
  expect(await ask('think', { 'x-thinking-processing': 'loud' })).toMatchObject({
    status: 400,
    body: { error: { param: 'x-thinking-processing', message: expect.stringContaining('think, tags, strip, raw') } },
  })
})

test.each([
  ['reasoning_content', ['reasoning_content']],
  ['reasoning', ['reasoning']],
  ['both', ['reasoning_content', 'reasoning']],
] as const)('REASONING_FIELD=%s puts reasoning into %p', async (reasoningField, expected) => {
  const app = gatewayApp([upstream], { reasoningField })
  const body = JSON.stringify({ model: 'GLM-4.5-Thinking', messages: [{ role: 'user', content: 'Why?' }] })
  const response = await app.handle(new Request('http://localhost/v1/chat/completions', { method: 'POST', body }))
  const { message } = (await response.json()).choices[0]
  const found = ['reasoning_content', 'reasoning'].filter((field) => typeof message[field] === 'string')
  expect(found).toEqual([...expected])
})

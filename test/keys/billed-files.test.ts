import { afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { answering, closeAll, countPrompt, countText, house, playing, stops, table, usage } from './billing.ts'

afterEach(closeAll)
beforeAll(countPrompt)

describe('a file by URL, whose length nobody knows beforehand,', () => {
  const url = 'https://example.com/a.pdf'
  const body = {
    model: 'glm-4.6v',
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Hi' },
          { type: 'file_url', file_url: { url } },
        ],
      },
    ],
  }
  const context = table.of('glm-4.6v').contextTokens ?? 0

  test('costs what it had', async () => {
    const { post, spent } = await house([playing([...answering(['Hello']), stops(usage(90_000, 20))])])
    expect((await post(body)).status).toBe(200)
    expect(await spent()).toBe(90_020)
  })

  test('is refused where the budget does not pay for the longest, and that is said', async () => {
    const { post, spent, upstream } = await house([], { key: { budget: 'tokens:50k/day' } })
    const refused = await post(body)
    expect(refused.status).toBe(402)
    expect((await refused.json()).error.message).toContain(
      `so ${context.toLocaleString('en-US')} tokens have to be free`,
    )
    expect([await spent(), upstream.asked()]).toEqual([0, 0])
  })

  test('costs the longest if the client leaves before its usage comes', async () => {
    const { post, spent, leave } = await house([playing(answering(['Hello']), 'goes on')])
    const reply = await post({ ...body, stream: true })
    await reply.body?.getReader().read()
    leave()
    expect(await spent()).toBe(context + countText('Hello'))
  })
})

import { describe, expect, test } from 'bun:test'
import type { CapturedBody } from '../../src/admin/schema/requests.ts'
import { systemClock } from '../../src/async/system-clock.ts'
import type { Part, Turn } from '../../src/page/try/transcript.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { gatewayApp } from '../support/gateway.ts'

// The page keeps its root in its address; here it has none.
Object.assign(globalThis, {
  location: new URL('http://localhost/page/'),
  navigator: { language: 'en' },
  document: { documentElement: { dataset: {} } },
})
const { parseBody, conversationOf } = await import('../../src/page/bodies/read.ts')
const { tryDialects } = await import('../../src/page/try/dialects.ts')

const app = gatewayApp([demo({ clock: systemClock, idleMs: 60_000, paceMs: 0 })])
const tool = { model: 'glm-5.3', thinking: 'high', maxTokens: 500, tool: true } as const
const captured = (text: string): CapturedBody => ({ headers: [], chunks: [{ at_ms: 1, text }], bytes: text.length })

describe.each(tryDialects.map((dialect) => [dialect.id, dialect] as const))('%s', (id, dialect) => {
  const turns = [{ by: 'user', text: '[think] Hello there', images: [] }] as const

  const ask = async (body: object, path = dialect.path('glm-5.3')) => {
    const request = new Request(`http://localhost${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...dialect.headers },
      body: JSON.stringify(body),
    })
    const response = await app.handle(request)
    expect(response.status).toBe(200)
    return response.text()
  }

  test('what the page asks is a conversation to read', () => {
    const lines = conversationOf(parseBody(captured(JSON.stringify(dialect.body(turns, tool)))))
    expect(lines?.find(({ who }) => who === 'user')?.text).toContain('Hello there')
    expect(lines?.some(({ who }) => who === 'tools')).toBe(id !== 'completions')
  })

  test('a reply is, streamed and whole, and both say the same', async () => {
    const body = dialect.body(turns, { ...tool, tool: false })
    const streamed = conversationOf(parseBody(captured(await ask(body))))
    const { stream_options: _, ...rest } = body
    // Google's API streams by another address, all others by a field.
    const path = dialect.path('glm-5.3').replace('streamGenerateContent?alt=sse', 'generateContent')
    const whole = conversationOf(
      parseBody(captured(await ask('stream' in rest ? { ...rest, stream: false } : rest, path))),
    )
    const said = (lines: typeof streamed) => lines?.filter(({ who }) => who === 'assistant').map(({ text }) => text)
    expect(said(streamed)?.join('')).toContain('Hello there')
    expect(said(whole)).toEqual(said(streamed))
    if (id !== 'completions') expect(streamed?.some(({ who }) => who === 'reasoning')).toBe(true)
  })

  if (id !== 'completions')
    test('a call of a tool and its result go back and forth', async () => {
      const asked = [{ by: 'user', text: '[tool:current_time]', images: [] }] as const
      const lines = conversationOf(parseBody(captured(await ask(dialect.body(asked, tool)))))
      const call = lines?.find(({ who }) => who === 'call')
      expect(call).toMatchObject({ name: 'current_time', id: expect.any(String) })
      const part: Part = {
        type: 'call',
        id: call?.id ?? '',
        name: 'current_time',
        args: call?.text ?? '',
        result: '{"time":1}',
      }
      const answered: Turn[] = [...asked, { by: 'model', model: 'glm-5.3', parts: [part] }]
      const again = dialect.body(answered, tool)
      expect(conversationOf(parseBody(captured(JSON.stringify(again))))?.map(({ who }) => who)).toContain('result')
      await ask(again)
    })
})

test('deltas, one a line, are a conversation', () => {
  const deltas = ['{"type":"reasoning","text":"Well"}', '{"type":"text","text":"Hel"}', '{"type":"text","text":"lo"}']
  expect(conversationOf(parseBody(captured(`${deltas.join('\n')}\n`)))).toEqual([
    { who: 'reasoning', text: 'Well', at: 1 },
    { who: 'assistant', text: 'Hello', at: 1 },
  ])
})

test.each([
  ['no conversation', '{"a":1}'],
  ['no JSON', 'plain words'],
  ['nothing', ''],
])('%s is shown as it is', (_what, text) => {
  expect(conversationOf(parseBody(captured(text)))).toBeUndefined()
})

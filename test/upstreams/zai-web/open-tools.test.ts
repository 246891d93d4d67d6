import { describe, expect, test } from 'bun:test'
import type { ChatRequest, Tool } from '../../../src/core/request.ts'
import { answer, completionRoute, eventStream, fieldOf } from '../../support/chat-zai.ts'
import { all, request, setUp, textOf, weather } from './opening.ts'
import { settle } from './support.ts'

test('declared tools are described in the prompt, and a written call in the reply becomes a call', async () => {
  const { zai, make, call } = setUp()
  zai.script(completionRoute, answer('<tool_call>{"name":"get_weather",', '"arguments":{"city":"Rome"}}</tool_call>'))
  const deltas = await all(make().open(call({ tools: [weather] })))
  expect(deltas.find(({ type }) => type === 'tool-call')).toMatchObject({ name: 'get_weather' })
  const body = zai.to(completionRoute)[0]?.body
  expect(fieldOf(body, 'signature_prompt')).toContain('get_weather')
})

const forecast: Tool = { name: 'forecast', description: 'Weather of tomorrow', parameters: { type: 'object' } }
const callOf = (name: string) => `<tool_call>{"name":"${name}","arguments":{"city":"Rome"}}</tool_call>`
const afterResult: ChatRequest['messages'] = [
  ...request.messages,
  { role: 'assistant', parts: [{ type: 'tool-call', id: 'call_1', name: 'get_weather', arguments: '{}' }] },
  { role: 'tool', callId: 'call_1', parts: [{ type: 'text', text: 'Sunny' }], isError: false },
]

describe.each([
  ['whole reply', true],
  ['stream', false],
])('a %s that must hold a tool call', (_name, whole) => {
  type Choice = ChatRequest['toolChoice']
  test.each<[string, Choice, string[], number, string | undefined]>([
    ['and holds none is asked for once more', 'required', ['No.', callOf('get_weather')], 2, 'get_weather'],
    ['is not asked for a third time', 'required', ['No.', 'Never.'], 2, undefined],
    ['and holds it is asked for once', 'required', [`Well. ${callOf('get_weather')}`], 1, 'get_weather'],
    [
      'of one tool is not served by another',
      { name: 'forecast' },
      [callOf('get_weather'), callOf('forecast')],
      2,
      'forecast',
    ],
  ])('%s', async (_name, toolChoice, answers, completions, called) => {
    const { zai, make, call, notes } = setUp()
    for (const text of answers) zai.script(completionRoute, answer(...(text.match(/.{1,8}/gs) ?? [])))
    const deltas = await all(make().open(call({ tools: [weather, forecast], toolChoice }, { whole })))
    expect(deltas.flatMap((delta) => (delta.type === 'tool-call' ? [delta.name] : []))).toEqual(called ? [called] : [])
    expect(deltas.at(-1)?.type).toBe('finish')
    expect(zai.to(completionRoute)).toHaveLength(completions)
    expect(notes).toEqual(completions === 2 ? ['retry (force-tool-call) after a reply without a call'] : [])
  })

  test('may end without one after a tool result', async () => {
    const { zai, make, call } = setUp()
    const opened = make().open(call({ messages: afterResult, tools: [weather], toolChoice: 'required' }, { whole }))
    expect(await textOf(opened)).toBe('Hello there.')
    expect(zai.to(completionRoute)).toHaveLength(1)
  })
})

test('a stream that must hold a tool call is held until the call begins, and not beyond 4,000 characters', async () => {
  const { zai, make, call } = setUp()
  const word = 'word '.repeat(100)
  const said = Array.from({ length: 12 }, () => ({ delta_content: word, phase: 'answer' }))
  let more: ReadableStreamDefaultController<Uint8Array> | undefined
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      more = controller
    },
  })
  zai.script(completionRoute, () => eventStream(body))
  const opened = make().open(call({ tools: [weather], toolChoice: 'required' }))
  for (const [index, data] of said.entries()) {
    await settle()
    expect([index, Bun.peek.status(opened)]).toEqual([index, index > 8 ? 'fulfilled' : 'pending'])
    more?.enqueue(new TextEncoder().encode(`data: ${JSON.stringify({ type: 'chat:completion', data })}\n\n`))
  }
  more?.close()
  expect((await textOf(opened)).length).toBeGreaterThan(4_000)
  expect(zai.to(completionRoute)).toHaveLength(1)
})

test('tools that are switched off are neither described nor searched for', async () => {
  const { zai, make, call } = setUp({ options: { tools: false } })
  const text = '<tool_call>{"name":"get_weather","arguments":{}}</tool_call>'
  zai.script(completionRoute, answer(text))
  const web = make()
  expect(await textOf(web.open(call({ tools: [weather] })))).toBe(text)
  expect(fieldOf(zai.to(completionRoute)[0]?.body, 'signature_prompt')).toBe('Hello, GLM!')
})

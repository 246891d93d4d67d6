import { describe, expect, test } from 'bun:test'
import type { ChatRequest } from '../../../src/core/request.ts'
import { answer, chatRoute, chunks } from '../../support/zai-api.ts'
import { all, outcome, setUp } from './opening.ts'
import { modelNamed, request, weather } from './support.ts'

describe('tools', () => {
  const callChunks = () =>
    chunks(
      {
        delta: {
          tool_calls: [
            { id: 'c1', index: 0, type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } },
          ],
        },
      },
      { finish_reason: 'tool_calls', usage: { prompt_tokens: 1, completion_tokens: 1 } },
    )
  const demanded: Partial<ChatRequest> = { tools: [weather], toolChoice: 'required' }

  test('a missing required call is requested once more', async () => {
    const { api, upstream, call, notes } = setUp()
    api.script(chatRoute, answer('No.'), callChunks())
    const deltas = await all(upstream().open(call(demanded, { whole: true })))
    expect(deltas.map(({ type }) => type)).toEqual(['tool-call', 'usage', 'finish'])
    expect(notes).toEqual(['retry (force-tool-call) after a reply without a call'])
    expect(JSON.stringify(api.to(chatRoute)[1]?.body)).toContain('Make the call now')
  })

  test('the second reply is the answer, with a call or without', async () => {
    const { api, upstream, call } = setUp()
    api.script(chatRoute, answer('No.'), answer('Never.'))
    expect(await outcome(upstream().open(call(demanded, { whole: true })))).toBe('Never.')
  })

  test('after tool results a call is not requested again: the model may end', async () => {
    const { api, upstream, call, notes } = setUp()
    const messages: ChatRequest['messages'] = [
      { role: 'user', parts: [{ type: 'text', text: 'Weather?' }] },
      { role: 'assistant', parts: [{ type: 'tool-call', id: 'c1', name: 'get_weather', arguments: '{}' }] },
      { role: 'tool', callId: 'c1', parts: [{ type: 'text', text: 'Sunny.' }], isError: false },
    ]
    api.script(chatRoute, answer('It is sunny.'))
    expect(await outcome(upstream().open(call({ ...demanded, messages }, { whole: true })))).toBe('It is sunny.')
    expect(notes).toEqual([])
  })

  test('a reply that is being shown is not retried', async () => {
    const { api, upstream, call } = setUp()
    expect(await outcome(upstream().open(call(demanded)))).toBe('Hello there.')
    expect(api.to(chatRoute)).toHaveLength(1)
  })

  test('a call written into the text becomes a call', async () => {
    const { api, upstream, call } = setUp()
    api.script(chatRoute, answer('<tool_call>{"name":"get_weather",', '"arguments":{"city":"Rome"}}</tool_call>'))
    const [first] = await all(upstream().open(call({ tools: [weather] })))
    expect(first).toMatchObject({ type: 'tool-call', name: 'get_weather', arguments: '{"city":"Rome"}' })
  })

  test('a call is text where calls are forbidden', async () => {
    const { api, upstream, call } = setUp()
    api.script(chatRoute, answer('<tool_call>{"name":"get_weather","arguments":{}}</tool_call>'))
    expect(await outcome(upstream().open(call({ tools: [weather], toolChoice: 'none' })))).toStartWith('<tool_call>')
  })

  test('switched off, they are neither sent nor searched for', async () => {
    const { api, upstream, call } = setUp(['key-1'], { tools: false })
    await all(upstream().open(call({ tools: [weather] })))
    expect(api.to(chatRoute)[0]?.body).not.toHaveProperty('tools')
    expect(upstream().ignored({ ...request, tools: [weather], toolChoice: 'required' }, modelNamed('glm-4.7'))).toEqual(
      ['tools', 'tool_choice'],
    )
  })
})

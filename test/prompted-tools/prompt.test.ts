import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { ChatRequest, Message, UserPart } from '../../src/core/request.ts'
import { runTransform } from '../../src/core/transform.ts'
import { toolCallParser } from '../../src/prompted-tools/parse.ts'
import { promptTools } from '../../src/prompted-tools/prompt.ts'
import { plainRequest } from '../support/request.ts'

const weather = {
  name: 'get_weather',
  description: 'Tells the weather </tools> of a city.',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}
const image: UserPart = { type: 'image', source: { type: 'url', url: 'https://pictures.test/1.png' } }
const called = (id: string, args = '{"city":"Oslo"}'): Message => ({
  role: 'assistant',
  parts: [{ type: 'tool-call', id, name: 'get_weather', arguments: args }],
})

describe('tools become instructions', () => {
  test('in a system message of their own, and a reminder after the last user turn', () => {
    const { messages, tools, toolChoice } = promptTools(request({ tools: [weather] }))
    expect(messages.map((message) => message.role)).toEqual(['system', 'user'])
    expect(systemText(messages)).toContain(
      String.raw`{"name":"get_weather","description":"Tells the weather <\/tools> of a city.","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}`,
    )
    expect(systemText(messages)).toContain('<tool_call>{"name":"<tool name>","arguments":{')
    expect(lastText(messages)).toContain('To call a tool, write <tool_call>')
    expect({ tools, toolChoice }).toEqual({ tools: [], toolChoice: 'auto' })
  })

  test('after an existing first system message', () => {
    const system: Message = { role: 'system', text: 'Be brief.' }
    const { messages } = promptTools(request({ tools: [weather], messages: [system, user('Hi')] }))
    expect(messages.map((message) => message.role)).toEqual(['system', 'user'])
    expect(systemText(messages)).toStartWith('Be brief.\n\n# Tools\n')
  })

  test('with the reminder on the last user turn only', () => {
    const { messages } = promptTools(
      request({ tools: [weather], messages: [user('Hi'), called('a'), user('And now?')] }),
    )
    expect(messages[1]).toEqual(user('Hi'))
    expect(lastText(messages)).toContain('To call a tool')
  })

  test.each([
    ['required', { toolChoice: 'required' }, 'you must call a tool'],
    ['a named tool', { toolChoice: { name: 'get_weather' } }, 'you must call the tool get_weather'],
    ['at most one call', { parallelToolCalls: false }, 'at most one call'],
  ] satisfies [string, Partial<ChatRequest>, string][])('with a sentence more for %s', (_name, choice, sentence) => {
    const asked = promptTools(request({ tools: [weather], ...choice })).messages
    const plain = promptTools(request({ tools: [weather] })).messages
    expect(systemText(asked)).toContain(sentence)
    expect(lastText(asked)).toContain(sentence)
    expect(systemText(plain) + lastText(plain)).not.toContain(sentence)
  })

  test('but not when the choice is none', () => {
    const messages = [user('Hi'), called('a'), result('a', 'Sunny')]
    const prompted = promptTools(request({ tools: [weather], toolChoice: 'none', messages }))
    expect(prompted).toEqual({
      ...request({}),
      messages: [
        user('Hi'),
        assistant('<tool_call>{"name":"get_weather","arguments":{"city":"Oslo"}}</tool_call>'),
        user('<tool_response id="a" name="get_weather">\nSunny\n</tool_response>'),
      ],
    })
  })

  test('and a request without tools is returned as it came', () => {
    const plain = request({ messages: [{ role: 'system', text: 'Be brief.' }, user('Hi'), assistant('Hello')] })
    expect(promptTools(plain)).toBe(plain)
  })

  test('and the request itself is not changed', () => {
    const original = request({ tools: [weather], messages: [user('Hi'), called('a'), result('a', 'Sunny')] })
    const copy = structuredClone(original)
    promptTools(original)
    expect(original).toEqual(copy)
  })
})

describe('tool history becomes text', () => {
  test.each([
    [
      'text and calls of one turn are one text',
      [
        {
          role: 'assistant',
          parts: [
            { type: 'reasoning', text: 'Hm.' },
            { type: 'text', text: 'I look.' },
            { type: 'tool-call', id: 'a', name: 'x', arguments: '{"a":1}' },
            { type: 'tool-call', id: 'b', name: 'y', arguments: '' },
          ],
        },
      ],
      [
        {
          role: 'assistant',
          parts: [
            { type: 'reasoning', text: 'Hm.' },
            {
              type: 'text',
              text: 'I look.\n<tool_call>{"name":"x","arguments":{"a":1}}</tool_call>\n<tool_call>{"name":"y","arguments":{}}</tool_call>',
            },
          ],
        },
      ],
    ],
    [
      'arguments that are not JSON are shown as a string',
      [called('a', '{"city":')],
      [assistant('<tool_call>{"name":"get_weather","arguments":"{\\"city\\":"}</tool_call>')],
    ],
    [
      'closing tags inside arguments are escaped as JSON allows',
      [called('a', '{"city":"</tool_call>"}')],
      [assistant('<tool_call>{"name":"get_weather","arguments":{"city":"<\\/tool_call>"}}</tool_call>')],
    ],
    [
      'neighbouring results are one user turn, later ones another',
      [called('a'), result('a', '1'), result('b', '2', true), assistant('So.'), result('c', '3')],
      [
        assistant('<tool_call>{"name":"get_weather","arguments":{"city":"Oslo"}}</tool_call>'),
        user(
          '<tool_response id="a" name="get_weather">\n1\n</tool_response>\n<tool_response id="b" status="error">\n2\n</tool_response>',
        ),
        assistant('So.'),
        user('<tool_response id="c">\n3\n</tool_response>'),
      ],
    ],
    [
      'images stay parts inside their result',
      [{ role: 'tool', callId: 'a', parts: [{ type: 'text', text: 'Look' }, image], isError: false }, result('b', '2')],
      [
        {
          role: 'user',
          parts: [
            { type: 'text', text: '<tool_response id="a">\nLook' },
            image,
            { type: 'text', text: '</tool_response>\n<tool_response id="b">\n2\n</tool_response>' },
          ],
        },
      ],
    ],
    [
      'an id cannot end its tag',
      [result('a">\n<x', '1')],
      [user('<tool_response id="a\\"\\u003e\\n\\u003cx">\n1\n</tool_response>')],
    ],
  ] satisfies [string, Message[], Message[]][])('%s', (_name, messages, expected) => {
    expect(promptTools(request({ messages })).messages).toEqual(expected)
  })

  test.each([
    ['its own closing tag', 'a</tool_response>b', 'a<\\/tool_response>b'],
    ['a call', '<tool_call>{}</TOOL_CALL>', '<\\tool_call>{}<\\/TOOL_CALL>'],
    ['elements of calls', '<function_calls></tool_calls>', '<\\function_calls><\\/tool_calls>'],
    ['a tag escaped already', '<\\/tool_response>', '<\\\\/tool_response>'],
    ['other markup', '<div></tool_responses><\\n>', '<div></tool_responses><\\n>'],
  ])('a result with %s stays inside its tags', (_name, written, shown) => {
    expect(promptTools(request({ messages: [result('a', written)] })).messages).toEqual([
      user(`<tool_response id="a">\n${shown}\n</tool_response>`),
    ])
  })

  test('any result stays inside its tags and can be restored', () => {
    const part = fc.constantFrom('<', '\\', '/', '</tool_response>', 'tool_response', '<tool_call>', '>', 'a', '\n')
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const written = parts.join('')
        const shown = lastText(promptTools(request({ messages: [result('a', written)] })).messages)
        const inner = shown.slice('<tool_response id="a">\n'.length, -'\n</tool_response>'.length)
        expect(inner).not.toMatch(/<\/?tool_(?:response|call)\b/)
        expect(inner.replace(/<\\(\\*\/?(?:tool_calls?|tool_response|function_calls)\b)/gi, '<$1')).toBe(written)
      }),
    )
  })

  test('a rendered call is parsed as the same call', () => {
    const [message] = promptTools(request({ messages: [called('a', '{"city":"</tool_call>\\n"}')] })).messages
    const out = runTransform(toolCallParser([weather], { scanLimit: 1000 }), [
      { type: 'text', text: lastText(message ? [message] : []) },
    ])
    expect(out).toEqual([
      { type: 'tool-call', key: 'text-0', name: 'get_weather', arguments: '{"city":"</tool_call>\\n"}' },
    ])
  })
})

function request(over: Partial<ChatRequest>): ChatRequest {
  return plainRequest({
    model: 'GLM-4.6',
    messages: [user('Hi')],
    ...over,
  })
}

function user(text: string): Message {
  return { role: 'user', parts: [{ type: 'text', text }] }
}

function assistant(text: string): Message {
  return { role: 'assistant', parts: [{ type: 'text', text }] }
}

function result(callId: string, text: string, isError = false): Message {
  return { role: 'tool', callId, parts: [{ type: 'text', text }], isError }
}

function systemText(messages: readonly Message[]): string {
  return messages[0]?.role === 'system' ? messages[0].text : ''
}

function lastText(messages: readonly Message[]): string {
  const last = messages.at(-1)
  const part = last && 'parts' in last ? last.parts.at(-1) : undefined
  return part?.type === 'text' ? part.text : ''
}

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { collector } from '../../../src/core/collect.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import type { Delta, Reply } from '../../../src/core/events.ts'
import type { ChatRequest, Message, Tool, UserPart } from '../../../src/core/request.ts'
import { streamNormaliser } from '../../../src/core/stream-normaliser.ts'
import { runTransform } from '../../../src/core/transform.ts'
import type { Model } from '../../../src/core/upstream.ts'
import { markers } from '../../../src/upstreams/demo/markers.ts'
import { script } from '../../../src/upstreams/demo/script.ts'
import { runs } from '../../support/effort.ts'
import { plainRequest } from '../../support/request.ts'

const model: Model = {
  id: 'GLM-4.6',
  upstreamId: 'GLM-4.6',
  createdAtSeconds: 0,
  vision: false,
  reasoning: 'on-request',
  search: true,
}

const weather: Tool = {
  name: 'get_weather',
  description: 'The weather of a city',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' }, unit: { enum: ['celsius', 'fahrenheit'] }, days: { type: 'integer' } },
    required: ['city', 'unit'],
  },
}
const clock: Tool = { name: 'get_time', description: 'The time', parameters: { type: 'object', properties: {} } }

function user(text: string, ...parts: UserPart[]): Message {
  return { role: 'user', parts: [{ type: 'text', text }, ...parts] }
}

function request(said: string | Message[], more: Partial<ChatRequest> = {}): ChatRequest {
  return plainRequest({
    model: 'glm-4.6-as-asked',
    messages: typeof said === 'string' ? [user(said)] : said,
    ...more,
  })
}

function deltas(asked: ChatRequest, by = model): Delta[] {
  return script(asked, by, 0).flatMap((step) => step.deltas)
}

function spoken(type: 'text' | 'reasoning', said: readonly Delta[]): string {
  return said.flatMap((delta) => (delta.type === type ? [delta.text] : [])).join('')
}

/** The reply as a client would get it, or how it failed. */
function outcome(asked: ChatRequest, by = model): Reply | GatewayError | undefined {
  let ids = 0
  const options = { newToolCallId: () => `call_${ids++}`, inputTokens: 0, countTokens: () => 0 }
  const collect = collector()
  for (const event of runTransform(streamNormaliser(options), deltas(asked, by))) collect.push(event)
  return collect.result()
}

function reply(asked: ChatRequest, by = model): Reply {
  const result = outcome(asked, by)
  if (result === undefined || result instanceof GatewayError) throw result ?? new Error('The reply never ended.')
  return result
}

function calls(asked: ChatRequest): { name: string; arguments: unknown }[] {
  return reply(asked).blocks.flatMap((block) =>
    block.type === 'tool-call' ? [{ name: block.name, arguments: JSON.parse(block.arguments) }] : [],
  )
}

function text(asked: ChatRequest, by = model): string {
  return reply(asked, by)
    .blocks.flatMap((block) => (block.type === 'text' ? [block.text] : []))
    .join('')
}

describe('the answer shows what arrived', () => {
  const image: UserPart = {
    type: 'image',
    source: { type: 'base64', mediaType: 'image/png', data: 'A'.repeat(2000) },
  }
  test.each<[string, ChatRequest, string]>([
    ['the words', request('Where is Paris?'), '> Where is Paris?'],
    ['only the last words', request([user('first'), user('second')]), '> second'],
    ['long words cut short', request('word '.repeat(500)), '…\n'],
    ['the model as asked for', request('hi'), '`glm-4.6-as-asked`'],
    ['the model that answers', request('hi'), '**GLM-4.6**'],
    ['how many messages', request([user('a'), { role: 'assistant', parts: [] }, user('b')]), '**Messages**: 3'],
    ['the system prompt', request([{ role: 'system', text: 'Be kind.' }, user('a')]), '8 characters'],
    ['that there is no system prompt', request('hi'), '**System prompt**: none'],
    ['images', request([user('see', image)]), '**Images**: 1, image/png, 1.5 kB'],
    [
      'remote images',
      request([user('see', { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } })]),
      '**Images**: 1, https://example.com/a.png',
    ],
    [
      'images of earlier tool results',
      request([{ role: 'tool', callId: 'x', parts: [image], isError: false }, user('see')]),
      '**Images**: 1, image/png, 1.5 kB',
    ],
    [
      'documents',
      request([
        user('read', {
          type: 'document',
          title: 'bill.pdf',
          source: { type: 'base64', mediaType: 'application/pdf', data: 'AAAA' },
        }),
      ]),
      '**Documents**: 1, bill.pdf, application/pdf, 3 B',
    ],
    ['tools', request('hi', { tools: [weather, clock] }), '**Tools**: 2, `get_weather`, `get_time`'],
    ['unknown markers', request('[dance] hi'), '> [dance] hi'],
    ['no known markers', request('[fast] hi'), '> hi'],
    ["no notes of the client's own", request('<system-reminder>note</system-reminder>\nhi'), '> hi'],
    [
      'the words before a message of notes',
      request([user('hi'), { role: 'system', text: 'x' }, user('<system-reminder>note</system-reminder>')]),
      '> hi',
    ],
  ])('%s', (_name, asked, expected) => {
    expect(text(asked)).toContain(expected)
  })
})

describe('the language follows the user', () => {
  test.each([
    ['Chinese', '你好，巴黎的天气怎么样？', '你好！'],
    ['Chinese with a few foreign words', '请用 Bun 写一个 HTTP 服务器', '你好！'],
    ['English about a Chinese word', 'Please translate the word 你好 for me', 'Hello!'],
    ['Japanese is answered in English', '東京の天気は？', 'Hello!'],
    ['no words', '', 'Hello!'],
    ['a marker asks for Chinese', 'hello there [chinese]', '你好！'],
  ])('%s', (_name, said, opening) => {
    const answer = text(request(said))
    expect(answer).toStartWith(opening)
    expect(answer).toMatch(/\p{Emoji_Presentation}/u)
  })
})

describe('it reasons', () => {
  const mode = (mode: ChatRequest['reasoning']['mode'], said = 'hi') => request(said, { reasoning: { mode } })
  const never = { ...model, reasoning: 'never' as const }
  const always = { ...model, reasoning: 'by-default' as const }
  test.each<[string, ChatRequest, Model, boolean]>([
    ['when asked to', mode('on'), model, true],
    ['when the model does by default', mode('default'), always, true],
    ['not by default when the model waits to be asked', mode('default'), model, false],
    ['not when told not to', mode('off'), always, false],
    ['not when the model cannot', mode('on'), never, false],
    ['when a marker says so, whatever else', mode('off', '[think]'), never, true],
  ])('%s', (_name, asked, by, expected) => {
    const said = deltas(asked, by)
    expect(spoken('reasoning', said) !== '').toBe(expected)
    expect(said[0]?.type).toBe(expected ? 'reasoning' : 'text')
    const usage = reply(asked, by).usage
    expect((usage.reasoningTokens ?? 0) > 0).toBe(expected)
    expect(usage.outputTokens).toBeGreaterThan(usage.reasoningTokens ?? 0)
  })
})

describe('tools are called', () => {
  const tools = [weather, clock]
  const paris = (said: string) => ({ name: 'get_weather', arguments: { city: said, unit: 'celsius' } })
  const time = { name: 'get_time', arguments: {} }
  const ordinary = 'How is Paris?'
  test.each<[string, ChatRequest, { name: string; arguments: unknown }[]]>([
    ['not without a reason', request(ordinary, { tools }), []],
    ['when one is required', request(ordinary, { tools, toolChoice: 'required' }), [paris(ordinary)]],
    ['when it is chosen', request(ordinary, { tools, toolChoice: { name: 'get_time' } }), [time]],
    ['when the words name it', request('Please use get_time', { tools }), [time]],
    ['when the words name it in Chinese', request('请调用 `get_time`', { tools }), [time]],
    ['not when a longer name is meant', request('use get_time_zone', { tools }), []],
    ['never when forbidden', request('use get_time [tools:2]', { tools, toolChoice: 'none' }), []],
    ['never when there are none', request('use get_time [tools:2]', { toolChoice: 'required' }), []],
    ['when a marker names it', request('[tool:get_time]', { tools }), [time]],
    [
      'with none where the schema of the tool describes no object',
      request('Now', { tools: [{ ...clock, parameters: { description: 'anything' } }], toolChoice: 'required' }),
      [time],
    ],
    [
      'with the arguments of the marker',
      request('[tool:get_time {"zone":["a]","b"]}]', { tools }),
      [{ name: 'get_time', arguments: { zone: ['a]', 'b'] } }],
    ],
    ['not by a marker with an undeclared name', request('[tool:rm]', { tools }), []],
    ['in parallel', request('[tools:3] Paris', { tools }), [paris('Paris'), time, paris('Paris')]],
    [
      'at most one when parallel calls are off',
      request('[tools:3]', { tools, parallelToolCalls: false }),
      [paris('demo')],
    ],
    [
      'the chosen one, not the one of the marker',
      request('[tool:get_weather]', { tools, toolChoice: { name: 'get_time' } }),
      [time],
    ],
  ])('%s', (_name, asked, expected) => {
    expect(calls(asked)).toEqual(expected)
    expect(reply(asked).reason).toBe(expected.length > 0 ? 'tool-calls' : 'stop')
  })

  test('with arguments in several pieces', () => {
    const pieces = deltas(request('call get_weather', { tools })).flatMap((delta) =>
      delta.type === 'tool-call' && delta.arguments !== undefined ? [delta.arguments] : [],
    )
    expect(pieces.length).toBeGreaterThan(3)
    expect(JSON.parse(pieces.join(''))).toEqual({ city: 'call get_weather', unit: 'celsius' })
  })

  test('once: their results are summed up, although the marker is still there', () => {
    const messages: Message[] = [
      user('[tools:2] Paris'),
      {
        role: 'assistant',
        parts: [
          { type: 'tool-call', id: 'a', name: 'get_weather', arguments: '{}' },
          { type: 'tool-call', id: 'b', name: 'get_time', arguments: '{}' },
        ],
      },
      { role: 'tool', callId: 'a', parts: [{ type: 'text', text: 'sunny' }], isError: false },
      { role: 'tool', callId: 'b', parts: [{ type: 'text', text: 'no clock' }], isError: true },
      { role: 'system', text: 'a late reminder' },
    ]
    const asked = request(messages, { tools: [weather, clock], toolChoice: 'required' })
    expect(calls(asked)).toEqual([])
    expect(text(asked)).toBe(
      'The tools have answered. ✅\n\n- `get_weather` says: sunny\n- `get_time` failed: no clock',
    )
  })
})

describe('JSON is answered', () => {
  const schema = {
    type: 'object',
    properties: { city: { type: 'string' }, sights: { type: 'array', items: { type: 'string' }, minItems: 2 } },
    required: ['city', 'sights'],
  }
  test.each<[string, ChatRequest, unknown]>([
    ['by schema', request('Rome', { output: { type: 'json', schema } }), { city: 'Rome', sights: ['Rome', 'Rome'] }],
    [
      'without one',
      request('Rome', { output: { type: 'json' } }),
      { answer: 'Rome', model: 'glm-4.6-as-asked', messages: 1 },
    ],
    ['by marker', request('Rome [json]'), { answer: 'Rome', model: 'glm-4.6-as-asked', messages: 1 }],
  ])('%s', (_name, asked, expected) => {
    expect(JSON.parse(text(asked))).toEqual(expected)
  })
})

describe('a marker ends the reply', () => {
  const types = (said: string) => [...new Set(deltas(request(said)).map((delta) => delta.type))]
  test.each<[string, Delta['type'][], string]>([
    ['[length]', ['text', 'usage', 'finish'], 'length'],
    ['[filter]', ['text', 'usage', 'finish'], 'content-filter'],
    ['[error-mid]', ['text', 'error'], 'upstream-unavailable'],
    ['[cut]', ['text'], 'upstream-truncated'],
    ['[stall]', ['text'], 'upstream-truncated'],
    ['[empty]', ['usage', 'finish'], 'stop'],
    ['[429]', ['error'], 'rate-limited'],
  ])('%s says %p and ends as %s', (marker, said, ending) => {
    expect(types(`hello ${marker}`)).toEqual(said)
    const result = outcome(request(`hello ${marker}`))
    expect<string | undefined>(result instanceof GatewayError ? result.kind : result?.reason).toBe(ending)
  })

  test('in the middle: the reply is the first half of the answer', () => {
    const whole = spoken('text', deltas(request('hello')))
    for (const marker of ['[length]', '[filter]', '[error-mid]', '[cut]', '[stall]']) {
      const half = spoken('text', deltas(request(`hello ${marker}`)))
      expect(whole).toStartWith(half)
      expect(half.length, marker).toBeWithin(whole.length / 4, (whole.length * 3) / 4)
    }
  })

  test('a stall waits for ever', () => {
    expect(script(request('[stall]'), model, 0).at(-1)).toEqual({ waitMs: Number.POSITIVE_INFINITY, deltas: [] })
  })

  test('a filtered reply holds no half call', () => {
    expect(calls(request('[filter] use get_time', { tools: [clock] }))).toEqual([])
  })
})

describe('the pace', () => {
  const waits = (said: string, paceMs: number) => script(request(said), model, paceMs).map((step) => step.waitMs)
  test('is near the one given', () => {
    const all = waits('hello', 45).slice(0, -1)
    expect(Math.min(...all)).toBe(30)
    expect(Math.max(...all)).toBe(60)
  })
  test('of 0 never waits', () => expect(new Set(waits('hello', 0))).toEqual(new Set([0])))
  test('is none with [fast]', () => expect(new Set(waits('hello [fast]', 45))).toEqual(new Set([0])))
  test('is slow with [slow]', () => expect(Math.min(...waits('hello [slow]', 0).slice(0, -1))).toBeGreaterThan(300))
  test('begins late with [silence]', () => expect(waits('[silence:900]', 0).slice(0, 3)).toEqual([900, 0, 0]))
  test('holds for refusals too', () => expect(waits('[silence:900] [429]', 0)).toEqual([900]))
})

test.each([
  ['[long:120]', (said: string) => said.split(' ').length],
  ['[long:1]', (said: string) => said.split(' ').length],
])('%s answers with so many words', (marker, count) => {
  expect(`[long:${count(text(request(marker)))}]`).toBe(marker)
})

test('a web search is shown when it was asked for', () => {
  const [first] = deltas(request('news', { search: true }))
  expect(first).toMatchObject({ type: 'server-tool', tool: { name: 'web_search', arguments: '{"query":"news"}' } })
  expect(deltas(request('news')).map((delta) => delta.type)).not.toContain('server-tool')
})

test('usage counts words', () => {
  const { usage, blocks } = reply(request([{ role: 'system', text: 'Be kind.' }, user('one two three 四 [long:40]')]))
  expect(usage).toEqual({ inputTokens: 7, outputTokens: 40, cachedInputTokens: 0, reasoningTokens: 0 })
  expect(blocks).toHaveLength(1)
})

const wish = fc.constantFrom(
  ...markers.map(({ marker }) => marker.replace('NAME', 'get_weather').replace(/:(N|MS)\]/, ':3]')),
)
const anyRequest = fc
  .record({
    said: fc.array(
      fc.oneof(wish, fc.string({ unit: 'grapheme' }), fc.constantFrom('👨‍👩‍👧‍👦', '🇫🇷', '你好', 'use get_time')),
      {
        maxLength: 6,
      },
    ),
    toolChoice: fc.constantFrom<ChatRequest['toolChoice'][]>('auto', 'none', 'required', { name: 'get_time' }),
    tools: fc.subarray([weather, clock]),
    mode: fc.constantFrom<ChatRequest['reasoning']['mode'][]>('default', 'off', 'on'),
  })
  .map(({ said, toolChoice, tools, mode }) => request(said.join(' '), { toolChoice, tools, reasoning: { mode } }))

test('for any request no emoji is cut, every call is JSON, and only failure markers fail', () => {
  fc.assert(
    fc.property(anyRequest, (asked) => {
      const said = deltas(asked)
      for (const delta of said) {
        if (delta.type === 'text' || delta.type === 'reasoning') expect(delta.text.isWellFormed()).toBe(true)
        if (delta.type === 'tool-call') expect((delta.arguments ?? '').isWellFormed()).toBe(true)
      }
      const result = outcome(asked)
      if (result instanceof GatewayError) expect(result.kind).not.toBe('upstream-malformed')
      else if (result?.reason !== 'length') expect(() => calls(asked)).not.toThrow()
      expect(script(asked, model, 0)).toEqual(script(asked, model, 0))
    }),
    { numRuns: runs(300) },
  )
})

test('a family of emoji stays together in one delta', () => {
  const family = '👨‍👩‍👧‍👦'
  const quoted = deltas(request(`a ${family} b ${family}`)).flatMap((delta) =>
    delta.type === 'text' ? [delta.text.split(family).length - 1] : [],
  )
  expect(quoted.reduce((sum, count) => sum + count, 0)).toBe(2)
})

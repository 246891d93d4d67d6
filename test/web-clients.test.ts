import { afterAll, describe, expect, test } from 'bun:test'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { answer, completionRoute, errorFrame, eventStream, fieldOf, frames, json } from './support/chat-zai.ts'
import { startWebGateway } from './support/web-gateway.ts'

// The vendors' own packages, over sockets, with a scripted chat.z.ai behind the gateway.
const { site, gateway, token, stop } = startWebGateway({ account: true })
afterAll(stop)

const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'anything', maxRetries: 0 })
const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'anything', maxRetries: 0 })
const parameters = { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] }
const onePixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

function say(...texts: string[]): void {
  site.script(completionRoute, () => answer(...texts))
}

/** The prompt of the newest completion, as the site saw it. */
function lastPrompt(): string {
  return String(fieldOf(site.to(completionRoute).at(-1)?.body, 'signature_prompt'))
}

async function settled<T>(promise: PromiseLike<T>): Promise<T> {
  return await promise
}

const thinking = () =>
  frames(
    { phase: 'thinking', delta_content: '<details type="reasoning" done="false">\n> Let me' },
    { phase: 'thinking', delta_content: ' see' },
    { phase: 'answer', edit_index: 32, edit_content: 'true">\n> Let me see.\n</details>\nSeventeen' },
    { phase: 'other', usage: { prompt_tokens: 20, completion_tokens: 9, total_tokens: 29 } },
    { phase: 'done', done: true },
  )

describe('the openai package over chat.z.ai', () => {
  const ask = (content: string) => ({
    model: 'glm-4.7',
    messages: [{ role: 'user' as const, content }],
  })

  test('reads a whole reply, signed and sent under the account', async () => {
    say('Bon', 'jour 👋')
    const reply = await openai.chat.completions.create(ask('Say hello'))
    expect(reply.choices[0]?.message.content).toBe('Bonjour 👋')
    expect(reply.usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 4 })
    expect(site.to(completionRoute).at(-1)?.token).toBe(token)
    expect(lastPrompt()).toBe('Say hello')
  })

  test('streams the call it insists on, and sees nothing of the answer without one', async () => {
    say('It will rain.')
    say('Let me see. ', '<tool_call>{"name":"get_weather","arguments":{"city":"Rome"}}</tool_call>')
    const stream = openai.chat.completions.stream({
      ...ask('Weather in Rome?'),
      tools: [{ type: 'function', function: { name: 'get_weather', parameters } }],
      tool_choice: 'required',
    })
    const [choice] = (await stream.finalChatCompletion()).choices
    expect(choice).toMatchObject({
      finish_reason: 'tool_calls',
      message: { content: 'Let me see. ', tool_calls: [{ function: { name: 'get_weather' } }] },
    })
  })

  test('reads a stream with reasoning apart', async () => {
    site.script(completionRoute, thinking)
    let reasoning = ''
    const stream = openai.chat.completions
      .stream({ ...ask('Think'), model: 'glm-4.7-thinking' })
      .on('chunk', (chunk) => {
        reasoning += String(fieldOf(chunk.choices[0]?.delta, 'reasoning_content') ?? '')
      })
    expect(await stream.finalContent()).toBe('Seventeen')
    expect(reasoning).toBe('Let me see.')
  })

  test('runs tools over two rounds, two at once', async () => {
    say(
      'One moment.\n<tool_call>{"name":"get_weather","arguments":{"city":"Oslo"}}</tool_call>',
      '\n<tool_call>{"name":"get_weather","arguments":{"city":"Rome"}}</tool_call>',
    )
    say('Oslo is colder.')
    const asked: string[] = []
    const runner = openai.chat.completions.runTools({
      ...ask('Where is it colder?'),
      stream: true,
      tools: [
        {
          type: 'function',
          function: {
            name: 'get_weather',
            description: 'Weather of a city',
            parameters,
            parse: JSON.parse,
            function: ({ city }: { city: string }) => {
              asked.push(city)
              return `${city}: ${city.length} °C`
            },
          },
        },
      ],
    })
    expect(await runner.finalContent()).toBe('Oslo is colder.')
    expect(asked).toEqual(['Oslo', 'Rome'])
    // Both results went back, with the calls they answer.
    expect(lastPrompt()).toContain('Oslo: 4 °C')
    expect(lastPrompt()).toContain('Rome: 4 °C')
  })

  test('shows an image by uploading it', async () => {
    say('A pixel.')
    const reply = await openai.chat.completions.create({
      model: 'glm-4.6v',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${onePixel}` } },
          ],
        },
      ],
    })
    expect(reply.choices[0]?.message.content).toBe('A pixel.')
    expect(site.to('POST /api/v1/files/')).toHaveLength(1)
    expect(fieldOf(site.to(completionRoute).at(-1)?.body, 'files')).toMatchObject([
      { type: 'image', status: 'uploaded' },
    ])
  })

  test('may not show an image to a model that cannot see', async () => {
    const failure = openai.chat.completions.create({
      model: 'glm-4.7',
      messages: [
        { role: 'user', content: [{ type: 'image_url', image_url: { url: `data:image/png;base64,${onePixel}` } }] },
      ],
    })
    await expect(settled(failure)).rejects.toMatchObject({ status: 400, code: 'image_not_supported' })
  })

  test.each<[string, () => Response, number, string]>([
    [
      'a captcha',
      () => errorFrame({ code: 'FRONTEND_CAPTCHA_REQUIRED', detail: 'Please refresh the page' }),
      403,
      'captcha_required',
    ],
    [
      'an account level',
      () => errorFrame({ code: 403, detail: 'Model not available for current user level' }),
      403,
      'model_not_available',
    ],
    [
      'an outdated client',
      () => errorFrame({ code: 426, detail: 'client version outdated' }),
      502,
      'upstream_client_outdated',
    ],
    [
      'the edge firewall',
      () => new Response('<h1>405</h1> errors.aliyun.com', { status: 405, headers: { 'content-type': 'text/html' } }),
      403,
      'upstream_blocked',
    ],
    [
      'a bad signature',
      () => json({ detail: '403: Signature validation failed: 签名验证失败' }, 400),
      502,
      'upstream_signature_rejected',
    ],
    ['an empty reply', () => frames({ done: true, phase: 'done' }), 502, 'upstream_empty_response'],
    ['a crash', () => json({ detail: 'Internal Server Error' }, 500), 502, 'upstream_error'],
    [
      'a page in place of a stream',
      () => new Response('<html>', { headers: { 'content-type': 'text/html' } }),
      502,
      'upstream_malformed',
    ],
  ])('raises %s as what it is, streaming or not', async (_name, reply, status, code) => {
    for (const stream of [false, true]) {
      for (let attempt = 0; attempt < 3; attempt++) site.script(completionRoute, reply)
      const failure = openai.chat.completions.create({ ...ask('Hi'), stream })
      await expect(settled(failure)).rejects.toMatchObject({ status, code })
      site.clear(completionRoute)
    }
  })
})

test('too many chats are raised as what they are where nobody may wait', async () => {
  const busy = startWebGateway({ account: true, queue: { queueLimit: 0, queueMs: 0 } })
  const full = () => errorFrame({ code: 429, detail: 'Your current concurrent conversation limit has been reached.' })
  for (let attempt = 0; attempt < 4; attempt++) busy.site.script(completionRoute, full)
  const client = new OpenAI({ baseURL: `${busy.gateway.url}/v1`, apiKey: 'anything', maxRetries: 0 })
  const failure = client.chat.completions.create({ model: 'glm-4.7', messages: [{ role: 'user', content: 'Hi' }] })
  await expect(settled(failure)).rejects.toMatchObject({ status: 429, code: 'rate_limit_exceeded' })
  await busy.stop()
})

describe('the @anthropic-ai/sdk package over chat.z.ai', () => {
  const ask = (content: string, more: object = {}) => ({
    model: 'claude-opus-4-7',
    max_tokens: 2000,
    messages: [{ role: 'user' as const, content }],
    ...more,
  })

  test('reads reasoning, text and usage from a stream', async () => {
    site.script(completionRoute, thinking)
    const message = await anthropic.messages
      .stream(ask('Think', { thinking: { type: 'enabled', budget_tokens: 1024 } }))
      .finalMessage()
    expect(message.content).toMatchObject([
      { type: 'thinking', thinking: 'Let me see.', signature: expect.stringMatching(/./) },
      { type: 'text', text: 'Seventeen' },
    ])
    expect(message.usage).toMatchObject({ input_tokens: 20, output_tokens: 9 })
  })

  test('runs a tool over two rounds', async () => {
    say('<tool_call>{"name":"get_weather","arguments":{"city":"Oslo"}}</tool_call>')
    say('Three degrees.')
    const final = await anthropic.beta.messages.toolRunner({
      model: 'glm-4.7',
      max_tokens: 1000,
      messages: [{ role: 'user', content: 'Weather?' }],
      tools: [
        {
          type: 'custom',
          name: 'get_weather',
          description: 'Weather of a city',
          input_schema: parameters,
          run: () => 'Oslo: 3 °C',
          parse: (input: unknown) => input,
        },
      ],
    })
    expect(final.content).toMatchObject([{ type: 'text', text: 'Three degrees.' }])
    expect(lastPrompt()).toContain('Oslo: 3 °C')
  })

  test('is told of a failure in the middle, after the text that came', async () => {
    site.script(completionRoute, () =>
      frames(
        { phase: 'answer', delta_content: 'This much came through before the failure, and no more.' },
        { done: true, error: { code: 'INTERNAL_ERROR', detail: 'Something went wrong' } },
      ),
    )
    let text = ''
    const stream = anthropic.messages.stream(ask('Go on')).on('text', (piece) => {
      text += piece
    })
    await expect(stream.finalMessage()).rejects.toThrow(/Something went wrong/)
    expect(text).toStartWith('This much came')
  })

  test('is told when the site closes without a word', async () => {
    site.script(completionRoute, () =>
      eventStream(
        'data: {"type":"chat:completion","data":{"phase":"answer","delta_content":"Half of a sentence that never"}}\n\n',
      ),
    )
    await expect(anthropic.messages.stream(ask('Go on')).finalMessage()).rejects.toThrow(
      /before the answer was complete/,
    )
  })

  test.each<[string, () => Response, number, string]>([
    ['a captcha', () => errorFrame({ code: 'FRONTEND_CAPTCHA_REQUIRED' }), 403, 'permission_error'],
    ['a crash', () => json({ detail: 'Internal Server Error' }, 500), 502, 'api_error'],
  ])('raises %s in its own shape', async (_name, reply, status, type) => {
    for (let attempt = 0; attempt < 3; attempt++) site.script(completionRoute, reply)
    await expect(settled(anthropic.messages.create(ask('Hi')))).rejects.toMatchObject({
      status,
      error: { error: { type } },
    })
    site.clear(completionRoute)
  })
})

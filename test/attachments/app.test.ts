import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { systemClock } from '../../src/async/system-clock.ts'
import type { Upstream, UpstreamCall } from '../../src/core/upstream.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { type RunningGateway, startGateway } from '../support/gateway.ts'
import { pdfOf, readPdfInThread } from '../support/pdf.ts'

const scripted = demo({ clock: systemClock, idleMs: 1_000, paceMs: 0 })
const received: UpstreamCall[] = []
const listening: Upstream = {
  ...scripted,
  open(call) {
    received.push(call)
    return scripted.open(call)
  },
}

let gateway: RunningGateway
beforeAll(() => {
  gateway = startGateway([listening], { readPdf: readPdfInThread })
})
afterAll(() => gateway.stop())

const pdf = (data: string | Uint8Array) => ({
  type: 'document',
  source: { type: 'base64', media_type: 'application/pdf', data: Buffer.from(data).toString('base64') },
})
const letter = pdfOf([{ lines: ['The meeting is on Tuesday.'] }])
const broken = '%PDF-1.4 and nothing else'
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

/** The message of Claude Code after it has read a PDF: the file is in the result of its tool. */
function readByTool(data: string | Uint8Array, stream: boolean) {
  return {
    model: 'GLM-5',
    max_tokens: 32_000,
    stream,
    messages: [
      { role: 'user', content: [{ type: 'text', text: 'When is the meeting?' }] },
      {
        role: 'assistant',
        content: [{ type: 'tool_use', id: 'toolu_1', name: 'Read', input: { file_path: '/tmp/letter.pdf' } }],
      },
      {
        role: 'user',
        content: [
          {
            type: 'tool_result',
            tool_use_id: 'toolu_1',
            content: [{ type: 'text', text: 'PDF file read: /tmp/letter.pdf' }, pdf(data)],
            cache_control: { type: 'ephemeral' },
          },
        ],
      },
    ],
    tools: [{ name: 'Read', input_schema: { type: 'object', properties: { file_path: { type: 'string' } } } }],
  }
}

describe('a PDF in the result of a tool', () => {
  test.each([[false], [true]])('reaches the model as text (streaming: %p)', async (stream) => {
    const reply = await post('/v1/messages', readByTool(letter, stream))
    expect(reply.status).toBe(200)
    expect(reply.headers.get('x-zai2api-ignored')).toBeNull()
    const said = [...(await reply.text()).matchAll(/"text":"((?:[^"\\]|\\.)*)"/g)].map(([, piece]) => piece).join('')
    expect(said).toContain('The meeting is on Tuesday.')
    expect(received.at(-1)?.request.messages.at(-1)).toEqual({
      role: 'tool',
      callId: 'toolu_1',
      isError: false,
      parts: [
        { type: 'text', text: 'PDF file read: /tmp/letter.pdf' },
        { type: 'text', text: '<document pages="1">\n[page 1]\nThe meeting is on Tuesday.\n</document>' },
      ],
    })
  })

  test('does not end the session when it is broken', async () => {
    const reply = await post('/v1/messages', readByTool(broken, false))
    expect(reply.status).toBe(200)
    expect(reply.headers.get('x-zai2api-ignored')).toBe('documents')
    expect(JSON.stringify(received.at(-1)?.request.messages)).toContain('The PDF is broken and cannot be read')
  })
})

describe('a file in the latest turn of the user', () => {
  test('a PDF in chat completions', async () => {
    const file_data = `data:application/pdf;base64,${Buffer.from(letter).toString('base64')}`
    const content = [
      { type: 'text', text: 'Sum it up.' },
      { type: 'file', file: { filename: 'letter.pdf', file_data } },
    ]
    const reply = await post('/v1/chat/completions', { model: 'GLM-5', messages: [{ role: 'user', content }] })
    expect(reply.status).toBe(200)
    expect(await reply.text()).toContain('The meeting is on Tuesday.')
  })

  test('a broken PDF is an error', async () => {
    const messages = [{ role: 'user', content: [pdf(broken)] }]
    const reply = await post('/v1/messages', { model: 'GLM-5', max_tokens: 10, messages })
    expect(reply.status).toBe(400)
    expect(await reply.json()).toMatchObject({
      error: { type: 'invalid_request_error', message: expect.stringContaining('broken') },
    })
  })

  test.each([[false], [true]])(
    'an image for a model without eyes becomes words, and a header says so (streaming: %p)',
    async (stream) => {
      const content = [{ type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}` } }]
      const body = { model: 'GLM-5', stream, messages: [{ role: 'user', content }] }
      const reply = await post('/v1/chat/completions', body)
      expect(reply.status).toBe(200)
      expect(reply.headers.get('x-zai2api-ignored')).toBe('images')
      await reply.text()
      expect(JSON.stringify(received.at(-1)?.request.messages)).toContain('GLM-5 cannot see images')
    },
  )

  test('a broken PDF is an error that names it', async () => {
    const file_data = `data:application/pdf;base64,${Buffer.from(broken).toString('base64')}`
    const content = [{ type: 'file', file: { filename: 'letter.pdf', file_data } }]
    const reply = await post('/v1/chat/completions', { model: 'GLM-5', messages: [{ role: 'user', content }] })
    expect(reply.status).toBe(400)
    expect(await reply.json()).toMatchObject({
      error: { param: 'messages', code: 'invalid_document', message: expect.stringContaining('"letter.pdf"') },
    })
  })
})

function post(path: string, body: object): Promise<Response> {
  return fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}

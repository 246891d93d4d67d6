import { afterAll, describe, expect, test } from 'bun:test'
import { GoogleGenAI } from '@google/genai'
import { GatewayError } from '../../../src/core/errors.ts'
import type { Delta } from '../../../src/core/events.ts'
import type { RequestRecord } from '../../../src/observe/record.ts'
import { startGateway } from '../../support/gateway.ts'
import { replyingWith } from '../../support/replies.ts'

const records: RequestRecord[] = []
const trace = (record: RequestRecord) => void records.push(record)
const refusal = new GatewayError('content-filtered', 'Z.AI takes the content for unsafe.', { code: 'content_filter' })
const refusing = startGateway([{ ...replyingWith(() => []), open: () => Promise.reject(refusal) }], { trace })
let deltas: Delta[] = []
const writing = startGateway([replyingWith(() => deltas)])
afterAll(() => Promise.all([refusing.stop(), writing.stop()]))

const sdk = (baseUrl: string) => new GoogleGenAI({ apiKey: 'sk-1', httpOptions: { baseUrl } })
const asked = { model: 'GLM-4.5', contents: 'Hello' }
const feedback = {
  blockReason: 'PROHIBITED_CONTENT',
  blockReasonMessage: 'Z.AI takes the content for unsafe.',
}

describe('a prompt that Z.AI refuses is a reply without candidates', () => {
  test('in one piece', async () => {
    const { promptFeedback, candidates, text } = await sdk(refusing.url).models.generateContent(asked)
    expect([promptFeedback, candidates, text]).toEqual([feedback, undefined, undefined] as never)
    expect(records.at(-1)).toMatchObject({ status: 200, error: { code: 'content_filter' } })
  })

  test('as a stream', async () => {
    const found: unknown[] = []
    for await (const { promptFeedback } of await sdk(refusing.url).models.generateContentStream(asked))
      found.push(promptFeedback)
    expect(found).toEqual([feedback])
  })

  test('as one array', async () => {
    const response = await fetch(`${refusing.url}/v1beta/models/GLM-4.5:streamGenerateContent`, {
      ...{ method: 'POST', body: JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] }) },
    })
    expect(await response.json()).toMatchObject([{ promptFeedback: feedback }])
  })

  test('but an error in other APIs', async () => {
    const response = await fetch(`${refusing.url}/v1/chat/completions`, {
      ...{ method: 'POST', body: JSON.stringify({ model: 'GLM-4.5', messages: [{ role: 'user', content: 'Hello' }] }) },
    })
    expect(response.status).toBe(400)
  })
})

describe('text/x.enum', () => {
  const config = {
    responseMimeType: 'text/x.enum',
    responseSchema: { type: 'STRING', enum: ['Percussion', 'String', 'Keyboard "grand"'] },
  } as never
  const writes = (text: string): Delta[] => [
    { type: 'text', text },
    { type: 'usage', usage: { inputTokens: 1, outputTokens: 1 } },
    { type: 'finish', reason: 'stop' },
  ]

  test.each(['Percussion', 'Keyboard "grand"'])('is the value alone: %s', async (value) => {
    deltas = writes(JSON.stringify(value))
    const { text } = await sdk(writing.url).models.generateContent({ ...asked, config })
    expect(text).toBe(value)
    deltas = writes(JSON.stringify(value))
    let streamed = ''
    for await (const { text } of await sdk(writing.url).models.generateContentStream({ ...asked, config }))
      streamed += text ?? ''
    expect(streamed).toBe(value)
  })

  test('is never another value', async () => {
    deltas = writes('"Brass"')
    const failure = await sdk(writing.url)
      .models.generateContent({ ...asked, config })
      .catch((thrown: Error) => thrown)
    expect(failure).toBeInstanceOf(Error)
  })

  test('is any text without a list of values', async () => {
    deltas = writes('"Brass"')
    const { text } = await sdk(writing.url).models.generateContent({
      ...{ ...asked, config: { responseMimeType: 'text/x.enum' } },
    })
    expect(text).toBe('"Brass"')
  })
})

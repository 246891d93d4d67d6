import { expect } from 'bun:test'
import type { Delta } from '../../../src/core/events.ts'
import { runTransform } from '../../../src/core/transform.ts'
import { openaiResponses } from '../../../src/dialects/openai-responses/index.ts'
import { requestContext } from '../../support/request-context.ts'
import { head as anyHead, events } from '../stream.ts'

export const head = { ...anyHead, id: 'resp_1' }

export const optionsOf = (fields: object = {}) =>
  openaiResponses.decode({ model: 'glm-5', input: 'Hello', ...fields }, requestContext()).options

export const plain = optionsOf()

/** As Codex asks. */
export const sealing = optionsOf({ include: ['reasoning.encrypted_content'], reasoning: { summary: 'auto' } })

export const everyTool = optionsOf({
  tools: [
    { type: 'function', name: 'f' },
    { type: 'custom', name: 'patch' },
    { type: 'namespace', name: 'team', tools: [{ type: 'function', name: 'ask' }] },
    { type: 'local_shell' },
    { type: 'shell', environment: { type: 'local' } },
    { type: 'apply_patch' },
    { type: 'tool_search', execution: 'client' },
  ],
})

interface Told {
  type: string
  sequence_number: number
  [field: string]: unknown
}

/** The events as data; the name of each must be its type, and the numbers must run from 0. */
export function told(deltas: Delta[], options = plain): Told[] {
  return runTransform(openaiResponses.encoder(head, options), events(...deltas)).map((message, number) => {
    const [, name, data] = /^event: ([^\n]+)\ndata: ([^\n]+)\n\n$/.exec(message) ?? []
    const event: Told = JSON.parse(data ?? '')
    expect(event.type).toBe(name ?? '')
    expect(event.sequence_number).toBe(number)
    return event
  })
}

export const last = (deltas: Delta[], options = plain) => told(deltas, options).at(-1)

export const textPart = (text: string) => ({ type: 'output_text', annotations: [], logprobs: [], text })

export const message = (id: string, text: string, status = 'completed') => ({
  id,
  type: 'message',
  status,
  role: 'assistant',
  content: [textPart(text)],
})

export const nothingUsed = {
  input_tokens: 0,
  input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
  output_tokens: 0,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 0,
}

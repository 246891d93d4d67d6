import { expect, test } from 'bun:test'
import type { ChatRequest } from '../../src/core/request.ts'
import { rejectUnknownChoice } from '../../src/core/tool-choice.ts'
import { anthropicMessages } from '../../src/dialects/anthropic-messages/index.ts'
import { openaiChat } from '../../src/dialects/openai-chat/index.ts'
import { openaiResponses } from '../../src/dialects/openai-responses/index.ts'
import { thrownBy } from '../dialects/stream.ts'
import { requestContext } from '../support/request-context.ts'

const messages = [{ role: 'user', content: 'Hi' }]
const f = { name: 'f', description: '', parameters: {} }

/** The error that a client gets for its choice, from the dialect or from the gateway behind it. */
function refusal(request: () => ChatRequest): unknown {
  return thrownBy(() => rejectUnknownChoice(request()))
}

const chat = (fields: object) => () =>
  openaiChat.decode({ model: 'glm-5', messages, ...fields }, requestContext()).request
const responses = (fields: object) => () =>
  openaiResponses.decode({ model: 'glm-5', input: 'Hi', ...fields }, requestContext()).request
const anthropic = (fields: object) => () =>
  anthropicMessages.decode({ model: 'glm-5', max_tokens: 9, messages, ...fields }, requestContext()).request

const dropped = (names: string) =>
  `tool_choice: a call has to come, and these do not run here: ${names}. Offer a function, or leave tool_choice at auto.`
const unavailable = (type: string) =>
  `tool_choice: tools of the type \`${type}\` do not run here. Offer a function, or leave tool_choice at auto.`

test.each<[string, () => ChatRequest, string]>([
  ['chat, any', chat({ tools: [{ type: 'mcp' }], tool_choice: 'required' }), dropped('tools.0 (mcp)')],
  [
    'responses, any',
    responses({ tools: [{ type: 'image_generation' }, { type: 'file_search' }], tool_choice: 'required' }),
    dropped('tools.0 (image_generation), tools.1 (file_search)'),
  ],
  [
    'responses, the hosted one itself',
    responses({ tools: [{ type: 'image_generation' }], tool_choice: { type: 'image_generation' } }),
    unavailable('image_generation'),
  ],
  [
    'responses, any of some that are hosted',
    responses({
      tools: [{ type: 'file_search' }, { type: 'function', name: 'f' }],
      tool_choice: { type: 'allowed_tools', mode: 'required', tools: [{ type: 'file_search' }] },
    }),
    dropped('tools.0 (file_search)'),
  ],
  [
    'messages, any',
    anthropic({ tools: [{ type: 'code_execution_20250825', name: 'code_execution' }], tool_choice: { type: 'any' } }),
    dropped('tools.0 (code_execution_20250825)'),
  ],
  [
    'messages, by name',
    anthropic({
      tools: [{ type: 'code_execution_20250825', name: 'code_execution' }],
      tool_choice: { type: 'tool', name: 'code_execution' },
    }),
    'tool_choice: tools of the type `code_execution_20250825` do not run here. Offer a function, or leave tool_choice at auto.',
  ],
  [
    'no tool at all',
    anthropic({ tool_choice: { type: 'any' } }),
    'tool_choice: a call has to come, and the request offers no tool. Offer a function, or leave tool_choice at auto.',
  ],
])('a choice that cannot be honoured is rejected: %s', (_name, request, message) => {
  expect(refusal(request)).toMatchObject({ kind: 'invalid-request', param: 'tool_choice', message })
})

const base: ChatRequest = {
  ...{ model: 'm', messages: [], parallelToolCalls: true, sampling: {}, ignored: [] },
  ...{ reasoning: { mode: 'default' }, output: { type: 'text' }, search: false, tools: [], toolChoice: 'auto' },
}

test.each<[string, Partial<ChatRequest>]>([
  ['of a tool that is offered', { tools: [f], toolChoice: { name: 'f' } }],
  ['of any, beside one that is dropped', { tools: [f], toolChoice: 'required', ignored: ['tools.1 (mcp)'] }],
  ['of any, where the search is the call', { search: true, toolChoice: 'required' }],
  ['of none', { toolChoice: 'none', ignored: ['tools.0 (mcp)'] }],
])('a choice is accepted: %s', (_name, fields) => {
  expect(refusal(() => ({ ...base, ...fields }))).toBeUndefined()
})

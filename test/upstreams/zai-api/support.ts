import type { ChatRequest, Tool } from '../../../src/core/request.ts'
import { modelTable } from '../../../src/models/table.ts'
import { type ChatModel, chatModel } from '../../../src/upstreams/chat-completions/models.ts'
import { zaiApiProfile } from '../../../src/upstreams/zai-api/profile.ts'
import { plainRequest } from '../../support/request.ts'

const table = modelTable()

export const profile = zaiApiProfile('https://open.bigmodel.cn/api/paas/v4')

/** A model with what is known of it, under the API's own name. */
export function modelNamed(id: string): ChatModel {
  return { ...chatModel(table.of(id), id), id }
}

export const request: ChatRequest = plainRequest({
  model: 'glm-4.7',
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hello, GLM!' }] }],
})

export const weather: Tool = {
  name: 'get_weather',
  description: 'Weather of a city',
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
}

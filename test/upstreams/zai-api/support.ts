import type { ChatRequest, Tool } from '../../../src/core/request.ts'
import { modelTable } from '../../../src/models/table.ts'
import { type ApiModel, apiModel } from '../../../src/upstreams/zai-api/models.ts'
import { plainRequest } from '../../support/request.ts'

const table = modelTable()

/** A model with what is known of it, under the API's own name. */
export function modelNamed(id: string): ApiModel {
  return { ...apiModel(table.of(id), id), id }
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

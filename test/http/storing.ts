import OpenAI from 'openai'
import { systemClock } from '../../src/async/system-clock.ts'
import { demo } from '../../src/upstreams/demo/index.ts'

// The vendor's own package against a listening server, with its memory in between.
export const upstream = demo({ clock: systemClock, idleMs: 5_000, paceMs: 0 })

export const storeLimits = {
  path: ':memory:',
  maxBytes: 1_000_000,
  maxRows: 10,
  maxAgeMs: 60_000,
  now: systemClock.now,
}

export const clientOf = ({ url }: { url: string }, path = '/v1') =>
  new OpenAI({ baseURL: url + path, apiKey: 'anything', maxRetries: 0 })

export const model = 'GLM-4.5'

export const weather: OpenAI.Responses.FunctionTool = {
  type: 'function',
  name: 'get_weather',
  description: 'Weather of a city',
  strict: false,
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}

export const plain = { model, reasoning: { effort: 'none' as const } }

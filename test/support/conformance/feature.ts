import { expect } from 'bun:test'
import type { Ask, Heard } from './ask.ts'
import type { Cell, Combination } from './cell.ts'

export interface Feature {
  name: Words
  /** Whole, streamed, or (without) both. */
  only?: 'whole' | 'stream'
  /** Throws where the feature is not there. */
  check(cell: Cell): Promise<void>
  notes?: Note[]
}

/** What a mark alone would not say. */
export interface Note extends Words {
  where: Partial<Combination>
  /** The feature cannot be had there, and the note says why: the try ends with these words, and not by accident. */
  lacking?: RegExp
}

export interface Words {
  en: string
  zh: string
}

export const user = 'What is the weather in Oslo?'
export const getWeather = 'get_weather'
export const calls = [
  { name: getWeather, args: { city: 'Oslo' } },
  { name: getWeather, args: { city: 'Rome' } },
]
export const seeing = 'glm-4.6v'
export const askingForTools: Ask = { turns: [{ user }], tools: [getWeather, 'get_time'] }

export const prompted: Note = {
  where: { upstream: 'zai-web' },
  en: 'The web backend runs no client tools: they are described in the prompt, and calls are read from the answer.',
  zh: '网页后端不运行客户端的工具：工具写进提示词，调用从回答中读出。',
}

export function resultsOf(received: Heard, text = 'Cold.') {
  expect(received.calls).toHaveLength(1)
  return received.calls.map(({ id }) => ({ id, text }))
}

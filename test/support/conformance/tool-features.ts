import { expect } from 'bun:test'
import type { Ask } from './ask.ts'
import { askingForTools, calls, type Feature, getWeather, type Note, prompted, resultsOf, user } from './feature.ts'

const noChoice = (lacking: RegExp): Note => ({
  where: { dialect: 'ollama-chat' },
  lacking,
  en: 'Ollama’s API has no tool choice.',
  zh: 'Ollama 的 API 没有工具选择。',
})

export const toolFeatures: readonly Feature[] = [
  {
    name: { en: 'Tool call', zh: '工具调用' },
    async check({ ask, say, told }) {
      say({ text: 'One moment.', calls: calls.slice(0, 1) })
      const received = await ask(askingForTools)
      expect(received.text.trim()).toBe('One moment.')
      expect(received.ended).toBe('calls')
      expect(received.calls.map(({ name, args }) => ({ name, args: JSON.parse(args) }))).toEqual(calls.slice(0, 1))
      expect(told().tools(getWeather)).toBe(true)
    },
    notes: [prompted],
  },
  {
    name: { en: 'Parallel tool calls', zh: '并行工具调用' },
    async check({ ask, say }) {
      say({ text: 'One moment.', calls })
      const received = await ask(askingForTools)
      expect(received.calls.map(({ name, args }) => ({ name, args: JSON.parse(args) }))).toEqual(calls)
      expect(new Set(received.calls.map(({ id }) => id)).size).toBe(2)
    },
    notes: [prompted],
  },
  {
    name: { en: 'Tool results over two rounds', zh: '两轮工具结果' },
    async check({ ask, say, told }) {
      say(
        { text: 'One moment.', calls: calls.slice(0, 1) },
        { text: 'And Rome.', calls: calls.slice(1) },
        { text: 'Oslo is colder.' },
      )
      const first = await ask(askingForTools)
      const turns: Ask['turns'] = [{ user }, { reply: first }, { results: resultsOf(first, '3 degrees') }]
      const second = await ask({ ...askingForTools, turns })
      const more: Ask['turns'] = [...turns, { reply: second }, { results: resultsOf(second, '21 degrees') }]
      const third = await ask({ ...askingForTools, turns: more })
      expect(third).toMatchObject({ text: 'Oslo is colder.', calls: [], ended: 'stop' })
      expect(told().words).toMatch(/Oslo.*3 degrees.*Rome.*21 degrees/s)
    },
    notes: [prompted],
  },
  {
    name: { en: 'Forced tool choice; an error where it is not heeded', zh: '强制工具选择；不遵守即报错' },
    async check({ ask, say }) {
      const asking: Ask = { ...askingForTools, choice: { name: getWeather } }
      say({ text: '', calls: calls.slice(0, 1) })
      expect((await ask(asking)).calls).toMatchObject([{ name: getWeather }])
      say({ text: 'I would rather not.' })
      await expect(ask(asking)).rejects.toThrow('answered without a call')
    },
    notes: [noChoice(/promise that rejects/), prompted],
  },
  {
    name: { en: 'Tool choice none', zh: '工具选择 none' },
    async check({ ask, say, told }) {
      say({ text: 'Cold.' })
      await ask(askingForTools)
      expect(told().tools(getWeather)).toBe(true)
      const received = await ask({ ...askingForTools, choice: 'none' })
      expect(received).toMatchObject({ text: 'Cold.', calls: [], ended: 'stop' })
      expect(told().tools(getWeather)).toBe(false)
    },
    notes: [noChoice(/toBe/)],
  },
]

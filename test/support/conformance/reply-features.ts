import { expect } from 'bun:test'
import type { Ask } from './ask.ts'
import { counted } from './backends.ts'
import type { Cell } from './cell.ts'
import { askingForTools, calls, type Feature, resultsOf, user } from './feature.ts'

export const replyFeatures: readonly Feature[] = [
  {
    name: { en: 'Whole reply', zh: '完整回复' },
    only: 'whole',
    check: speaks,
  },
  {
    name: { en: 'Streamed reply', zh: '流式回复' },
    only: 'stream',
    check: speaks,
  },
  {
    name: { en: 'Usage, as the upstream counted it', zh: '用量，以上游的计数为准' },
    async check({ ask }) {
      const { usage } = await ask({ turns: [{ user }] })
      expect(usage).toEqual({ input: counted.input, output: counted.output })
    },
  },
  {
    name: { en: 'Reasoning apart from the answer', zh: '思考与回答分开' },
    async check({ ask, say }) {
      say({ thinks: 'Let me look north.', text: 'Cold.' })
      const received = await ask({ turns: [{ user }], thinks: true })
      expect(received).toMatchObject({ reasoning: 'Let me look north.', text: 'Cold.' })
    },
  },
  {
    name: { en: 'Reasoning sent back with the next turn', zh: '思考随下一轮送回' },
    async check({ ask, say, told }) {
      say({ thinks: 'Let me look north.', text: 'One moment.', calls: calls.slice(0, 1) })
      const asking: Ask = { ...askingForTools, thinks: true }
      const first = await ask(asking)
      await ask({ ...asking, turns: [{ user }, { reply: first }, { results: resultsOf(first) }] })
      expect(told().words).toContain('Let me look north.')
    },
    notes: [
      {
        where: { upstream: 'zai-web' },
        lacking: /toContain/,
        en: 'The web backend has no place for the thoughts of earlier turns.',
        zh: '网页后端没有放置前几轮思考的地方。',
      },
    ],
  },
]

async function speaks({ ask, say, told }: Cell): Promise<void> {
  say({ text: 'Cold, 雪 and 🌨 today.' })
  expect(await ask({ turns: [{ user }] })).toMatchObject({ text: 'Cold, 雪 and 🌨 today.', calls: [], ended: 'stop' })
  expect(told().words).toContain(user)
}

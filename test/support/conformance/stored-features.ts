import { expect } from 'bun:test'
import { type Feature, user } from './feature.ts'

export const storedFeatures: readonly Feature[] = [
  {
    name: { en: '`previous_response_id`', zh: '`previous_response_id`' },
    async check({ ask, say, told }) {
      say({ text: 'Good morning, Ada.' })
      const first = await ask({ turns: [{ user: 'My name is Ada.' }] })
      await ask({ previous: first, turns: [{ user: 'What is my name?' }] })
      expect(told().words).toMatch(/My name is Ada\..*Good morning, Ada\..*What is my name\?/s)
    },
    notes: (['openai-chat', 'anthropic-messages', 'gemini', 'ollama-chat'] as const).map((dialect) => ({
      where: { dialect },
      lacking: /toMatch/,
      en: 'Clients of this API send the whole conversation with every turn.',
      zh: '这个 API 的客户端每轮都发送整个对话。',
    })),
  },
  {
    name: { en: 'Batches, worked off when nobody else waits', zh: '批处理，在没有其他请求等待时处理' },
    only: 'whole',
    async check({ inBatch, say, told }) {
      say({ text: 'Cold.' })
      expect(await inBatch({ turns: [{ user }] })).toMatchObject({ text: 'Cold.', ended: 'stop' })
      expect(told().words).toContain(user)
    },
    notes: [
      ...(['openai-chat', 'openai-responses'] as const).map((dialect) => ({
        where: { dialect },
        lacking: /no such thing/,
        en: 'OpenAI’s batches are files, and the gateway keeps none.',
        zh: 'OpenAI 的批处理以文件提交，本网关不保存文件。',
      })),
      {
        where: { dialect: 'gemini' },
        lacking: /no such thing/,
        en: 'Google’s batches are long-running operations of its cloud, which the gateway does not have.',
        zh: 'Google 的批处理是其云端的长时间运行操作，本网关没有。',
      },
      {
        where: { dialect: 'ollama-chat' },
        lacking: /no such thing/,
        en: 'Ollama’s API has neither batches nor replies in the background.',
        zh: 'Ollama 的 API 没有批处理，也没有后台回复。',
      },
    ],
  },
  {
    name: { en: 'Replies in the background', zh: '后台回复' },
    only: 'whole',
    async check({ inBackground, say, told }) {
      say({ text: 'Cold.' })
      expect(await inBackground({ turns: [{ user }] })).toMatchObject({ text: 'Cold.', ended: 'stop' })
      expect(told().words).toContain(user)
    },
    notes: [
      ...(['openai-chat', 'anthropic-messages', 'gemini'] as const).map((dialect) => ({
        where: { dialect },
        lacking: /no such thing/,
        en: 'This API has no single replies in the background.',
        zh: '这个 API 没有单个的后台回复。',
      })),
      {
        where: { dialect: 'ollama-chat' },
        lacking: /no such thing/,
        en: 'Ollama’s API has neither batches nor replies in the background.',
        zh: 'Ollama 的 API 没有批处理，也没有后台回复。',
      },
    ],
  },
]

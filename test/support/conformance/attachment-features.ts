import { expect } from 'bun:test'
import { pdfOf } from '../pdf.ts'
import type { Ask } from './ask.ts'
import { askingForTools, calls, type Feature, type Note, resultsOf, seeing, user } from './feature.ts'

const onePixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

const ownAccount: Note = {
  where: { upstream: 'zai-web' },
  en: 'With a token of your own (`ZAI_TOKEN`); guests cannot upload.',
  zh: '需要自己的令牌（`ZAI_TOKEN`），游客不能上传。',
}

export const attachmentFeatures: readonly Feature[] = [
  {
    name: { en: 'Images', zh: '图片' },
    async check({ ask, told }) {
      await ask({ model: seeing, turns: [{ user: 'What is this?', png: onePixel }] })
      expect(told().images).toBe(1)
    },
    notes: [ownAccount],
  },
  {
    name: { en: 'Image in a tool result', zh: '工具结果中的图片' },
    async check({ ask, say, told }) {
      say({ text: 'One moment.', calls: calls.slice(0, 1) })
      const asking: Ask = { ...askingForTools, model: seeing }
      const first = await ask(asking)
      const results = resultsOf(first).map((result) => ({ ...result, png: onePixel }))
      await ask({ ...asking, turns: [{ user }, { reply: first }, { results }] })
      expect(told().images).toBe(1)
    },
    notes: [
      ownAccount,
      {
        where: { dialect: 'openai-chat' },
        en: 'OpenAI’s reference has only text in tool messages; a picture among it is taken all the same.',
        zh: 'OpenAI 的文档规定工具消息只有文本；其中的图片同样接受。',
      },
    ],
  },
  {
    name: { en: 'Image for a model that cannot see, as words that say so', zh: '模型看不了的图片，换成一句说明' },
    async check({ ask, told }) {
      await ask({ turns: [{ user: 'What is this?', png: onePixel }] })
      expect(told().images).toBe(0)
      expect(told().words).toContain('cannot see images: the answer has to say so')
    },
    notes: [
      {
        where: { upstream: 'zai-web' },
        lacking: /cannot see images: ask a vision model/,
        en: 'Refused with 400, unless it stands in an older turn or came from a tool.',
        zh: '以 400 拒绝；更早轮次中的图片和来自工具的图片除外。',
      },
    ],
  },
  {
    name: { en: 'PDF, as its text', zh: 'PDF，转成文本' },
    async check({ ask, told }) {
      const pdf = Buffer.from(pdfOf([{ lines: ['The seventh chapter'] }])).toString('base64')
      await ask({ turns: [{ user: 'Read this.', pdf }] })
      expect(told().words).toContain('The seventh chapter')
    },
    notes: [
      {
        where: { dialect: 'ollama-chat' },
        lacking: /toContain/,
        en: 'Ollama’s API has no files but images.',
        zh: 'Ollama 的 API 除图片外没有文件。',
      },
    ],
  },
]

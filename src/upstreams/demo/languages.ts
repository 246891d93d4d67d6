import type { Model } from '../../core/upstream.ts'
import type { RequestFacts, ToolResult } from './request-facts.ts'
import { shorten } from './text-pieces.ts'

/** The demo's texts in one language. Every method returns a whole text in Markdown. */
export interface Voice {
  reasoning(userText: string, facts: RequestFacts, model: Model): string
  answer(userText: string, facts: RequestFacts, model: Model): string
  calling(names: readonly string[]): string
  summary(results: readonly ToolResult[]): string
  /** The sentence that a model in a loop repeats. */
  stuck: string
  /** A text of exactly `count` words. */
  words(count: number): string
}

/** The page that every search finds, cited as real models cite pages. */
const found = '[1](https://example.com/)'

export type Language = 'en' | 'zh'

export const voices: Record<Language, Voice> = {
  en: {
    reasoning: (userText, facts, model) =>
      [
        userText === '' ? 'The user sent no words.' : `The user says: “${shorten(userText, 60)}”.`,
        `They asked for ${facts.asked}, so I speak as ${model.id}.`,
        facts.results.length > 0
          ? 'The tools have answered; I should sum up what they found.'
          : 'I should show what arrived and keep it short.',
      ].join(' '),
    answer: (userText, facts, model) =>
      page(
        `Hello! 👋 I am the **demo** of zai2api, speaking as **${model.id}** without any network. Your request arrived:`,
        userText,
        [
          ['Model', `\`${facts.asked}\``],
          ['Messages', String(facts.turns)],
          ['System prompt', facts.systemCharacters === 0 ? 'none' : `${facts.systemCharacters} characters`],
          ['Images', counted(facts.images, ', ', '; ')],
          ['Documents', counted(facts.documents, ', ', '; ')],
          ['Tools', counted(facts.tools.map(code), ', ', ', ')],
          ['Web search', facts.search ? `asked for; the demo always finds the same page ${found}` : ''],
        ],
        ': ',
      ),
    calling: (names) => `Let me ask ${names.map(code).join(' and ')}. 🔧`,
    summary: (results) =>
      lines(
        'The tools have answered. ✅',
        results.map(
          ({ name, text, isError }) =>
            `${code(name)} ${isError ? 'failed' : 'says'}: ${text.trim() === '' ? 'nothing' : shorten(text, 200)}`,
        ),
      ),
    stuck: 'Let me try that once more. ',
    words: (count) => `${repeated(englishWords, 'river', count).join(' ')}🌊`,
  },
  zh: {
    reasoning: (userText, facts, model) =>
      [
        userText === '' ? '用户没有写文字。' : `用户说：“${shorten(userText, 60)}”。`,
        `对方请求的模型是 ${facts.asked}，所以我以 ${model.id} 的身份回答。`,
        facts.results.length > 0 ? '工具已经返回结果，我应该做个总结。' : '我应该简短地说明收到了什么。',
      ].join(''),
    answer: (userText, facts, model) =>
      page(
        `你好！👋 我是 zai2api 的**演示模型**，正在扮演 **${model.id}**，全程不联网。你的请求已经收到啦 🎉`,
        userText,
        [
          ['模型', `\`${facts.asked}\``],
          ['消息', `${facts.turns} 条`],
          ['系统提示词', facts.systemCharacters === 0 ? '无' : `${facts.systemCharacters} 个字符`],
          ['图片', counted(facts.images, ' 张，', '；')],
          ['文档', counted(facts.documents, ' 份，', '；')],
          ['工具', counted(facts.tools.map(code), ' 个，', '、')],
          ['联网搜索', facts.search ? `已请求；演示模型总是找到同一个页面 ${found}` : ''],
        ],
        '：',
      ),
    calling: (names) => `我来调用 ${names.map(code).join(' 和 ')} 看看 🔧`,
    summary: (results) =>
      lines(
        '工具已经返回结果 ✅',
        results.map(
          ({ name, text, isError }) =>
            `${code(name)} ${isError ? '出错' : '返回'}：${text.trim() === '' ? '空' : shorten(text, 200)}`,
        ),
      ),
    stuck: '让我再试一次。',
    words: (count) => `${repeated(chineseWords, '小河', count).join('')}🌊`,
  },
}

/** Chinese if there are at least as many Han characters as other words, and no Japanese kana. */
export function languageOf(text: string): Language {
  if (/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(text)) return 'en'
  const han = text.match(/\p{Script=Han}/gu)?.length ?? 0
  const others = text.match(/[^\s\P{L}\p{Script=Han}]+/gu)?.length ?? 0
  return han > 0 && han >= others ? 'zh' : 'en'
}

function page(greeting: string, userText: string, rows: readonly (readonly [string, string])[], colon: string): string {
  const quote = userText === '' ? [] : [`> ${shorten(userText, 200)}`]
  const list = rows.filter(([, value]) => value !== '').map(([name, value]) => `- **${name}**${colon}${value}`)
  return [greeting, ...quote, list.join('\n')].join('\n\n')
}

function lines(opening: string, items: readonly string[]): string {
  return [opening, '', ...items.map((item) => `- ${item}`)].join('\n')
}

/** `3, a, b, c`: the number of items and the first four; an empty string if there are none. */
function counted(items: readonly string[], afterCount: string, between: string): string {
  if (items.length === 0) return ''
  return `${items.length}${afterCount}${items.slice(0, 4).join(between)}${items.length > 4 ? ' …' : ''}`
}

function code(name: string): string {
  return `\`${name}\``
}

/** Repeats the words, but numbers the hero: exact repetition would be taken for a model in a loop. */
function repeated(words: readonly string[], hero: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const word = words[index % words.length] ?? ''
    const pass = Math.floor(index / words.length) + 1
    return word === hero && pass > 1 ? `${word}-${pass}` : word
  })
}

const englishWords =
  'The river starts as a thin line between two stones. It asks no map and takes the easy way down, past a mill, past a school, past a field of late corn. By noon it carries boats, by evening it carries the sky, and at night it tells the sea what it saw. Then'.split(
    ' ',
  )

const chineseWords = [
  ...['小河', '从', '两块', '石头', '之间', '出发，', '不看', '地图，', '一路', '往低处', '走，', '经过', '磨坊，'],
  ...['经过', '学校，', '经过', '秋天的', '田野。', '中午', '它', '载着', '船，', '傍晚', '它', '载着', '天空，'],
  ...['夜里', '它', '把', '见闻', '讲给', '大海', '听。'],
]

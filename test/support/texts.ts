import { Glob } from 'bun'

/** Texts of about 200,000 characters, the same ones every time, of the kinds that agents send. */
export async function sampleTexts(): Promise<Record<TextKind, string>> {
  return {
    'English prose': spoken(english, ' ', '. '),
    TypeScript: await ownSource(),
    JSON: JSON.stringify(records(), undefined, 2),
    Chinese: spoken(chinese, '', '。'),
    'Mixed scripts and emoji': spoken(mixed, ' ', '! '),
  }
}

export type TextKind = 'English prose' | 'TypeScript' | 'JSON' | 'Chinese' | 'Mixed scripts and emoji'

const size = 200_000

const english =
  `the a of to in and that it was for on with as at by from but not this which had been would could there their when
  morning river window letter captain village teacher garden kitchen engineer harbour quietly suddenly carefully
  beautiful difficult important yesterday together understood remembered answered carried walked opened believed
  conversation explanation neighbourhood responsibility temperature electricity`.split(/\s+/)
const chinese =
  `我们 今天 在 公园 里 看到 了 一只 非常 可爱 的 小猫 人工智能 模型 训练 数据 需要 大量 计算 资源 因此 研究 人员 提出 新的 方法 来 提高
  效率 城市 交通 问题 越来越 严重 政府 决定 修建 地铁 他 说 明天 会 下雨 请 带 雨伞 文件 系统 读取 失败 时 返回 错误 信息`.split(
    /\s+/,
  )
const mixed = [
  ...english.slice(20, 50),
  ...chinese.slice(0, 20),
  ...'🎉 👩‍💻 🚀 ✅ 🇳🇴 東京 привет мир γειά שלום 안녕 café naïve ½ € →'.split(' '),
]

function spoken(words: readonly string[], gap: string, stop: string): string {
  const random = dice(words.length)
  let text = ''
  while (text.length < size) {
    const sentence = Array.from({ length: 4 + random(14) }, () => words[random(words.length)] ?? '')
    text += sentence.join(gap) + (random(6) === 0 ? `${stop.trim()}\n\n` : stop)
  }
  return text
}

async function ownSource(): Promise<string> {
  const paths = [...new Glob('{core,dialects,gateway,http,http-client,wire,upstreams}/**/*.ts').scanSync('src')].sort()
  const files = await Promise.all(paths.map((path) => Bun.file(`src/${path}`).text()))
  return files.join('\n').slice(0, size)
}

function records(): object[] {
  const random = dice(7)
  return Array.from({ length: 1_000 }, (_, index) => ({
    id: `usr_${random(1e9).toString(36)}`,
    index,
    active: random(2) === 0,
    balance: random(1e6) / 100,
    tags: Array.from({ length: random(4) }, () => english[random(english.length)]),
    address: { street: `${random(200)} ${english[random(english.length)]} street`, postcode: String(random(1e5)) },
  }))
}

/** Random whole numbers below a limit; the same for the same seed. */
export function dice(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    // Mulberry32.
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

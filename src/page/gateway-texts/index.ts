import { doctorTexts } from './doctor.ts'
import { operatorErrorTexts } from './operator-errors.ts'
import { requestErrorTexts } from './request-errors.ts'

export { settingTexts } from './settings.ts'

/**
 * What the gateway itself says in English, in Chinese. `{}` stands for a value: a name, a number, a code. Sentences that
 * are not here are shown as they come.
 */
const sentences: readonly (readonly [english: string, chinese: string])[] = [
  // Remedies
  [
    'Use an API key (ZAI_API_KEY), or sign in at chat.z.ai once and set ZAI_TOKEN.',
    '改用 API 密钥（ZAI_API_KEY），或在 chat.z.ai 登录一次并设置 ZAI_TOKEN。',
  ],
  [
    'Copy the key or the token again, whole, into the setting it comes from.',
    '重新完整复制密钥或 token 到它所在的设置。',
  ],
  [
    'Give the upstream a key: ZAI_API_KEY, or keys of its row in [[upstreams]].',
    '为该上游提供密钥：ZAI_API_KEY，或 [[upstreams]] 中对应行的 keys。',
  ],
  [
    'Top up the account, or check that the base URL of the upstream is the service that the key belongs to.',
    '为账号充值，或检查上游的 Base URL 是否是该密钥所属的服务。',
  ],
  ['Wait for the reset, or add a key.', '等待重置，或增加密钥。'],
  ['Wait for the reset, or raise the budget of the key under Keys.', '等待重置，或在「密钥」中提高预算。'],
  [
    'Nothing, if it is rare: requests under way hold what is left of the budget.',
    '偶尔出现则无需处理：剩余预算被进行中的请求预留。',
  ],
  [
    'Set the price of the model in [[models]] of zai2api.toml, or give the key a budget in tokens.',
    '在 zai2api.toml 的 [[models]] 中设置该模型的价格，或给密钥设置以 token 计的预算。',
  ],
  ['Send fewer at a time, or raise the limit of the key under Keys.', '减少同时发送的请求，或在「密钥」中提高限额。'],
  ['Allow the key an upstream of this gateway under Keys.', '在「密钥」中为该密钥允许此网关的某个上游。'],
  ['Allow this API for the key under Keys, or use another key.', '在「密钥」中允许该 API，或使用其他密钥。'],
  ['Renew the plan, or use another key.', '续订套餐，或使用其他密钥。'],
  ['Sign in to the console of the account to see why.', '登录该账号的控制台查看原因。'],
  ['Check the base URL of the upstream.', '检查上游的 Base URL。'],
  ['Check the network and the proxy; zai2api doctor says more.', '检查网络与代理；zai2api doctor 会给出更多信息。'],
  [
    'Nothing, if it is rare; UPSTREAM_IDLE_MS sets how long a silence may be.',
    '偶尔出现则无需处理；UPSTREAM_IDLE_MS 设置可以静默多久。',
  ],
  ['Resume it under Upstreams.', '在「上游」中继续。'],
  [
    'Add keys, send fewer requests at a time, or raise QUEUE_LIMIT.',
    '增加密钥、减少同时发送的请求，或提高 QUEUE_LIMIT。',
  ],
  ['Add keys, send fewer requests at a time, or raise QUEUE_MS.', '增加密钥、减少同时发送的请求，或提高 QUEUE_MS。'],
  ['Send fewer at a time, or raise MAX_CONCURRENT.', '减少同时发送的请求，或提高 MAX_CONCURRENT。'],
  ['Send fewer at a time, or add a key.', '减少同时发送的请求，或增加密钥。'],
  ['Nothing: the upstream has too much to do. Another model may answer.', '无需处理：上游负载过高，可以换一个模型。'],
  [
    'Nothing, where the client compacts by itself; else begin a new conversation.',
    '客户端会自行压缩时无需处理；否则请开始新的对话。',
  ],
  [
    'Ask for a model of the list at /v1/models, or map the name with MODEL_MAP.',
    '使用 /v1/models 中列出的模型，或用 MODEL_MAP 映射名称。',
  ],
  ['Give the client the key of this gateway.', '给客户端设置此网关的密钥。'],
  ['Nothing: the gateway is going down.', '无需处理：网关正在关闭。'],
  [
    'The message says what is known; zai2api doctor looks for the cause.',
    '已知信息见消息；zai2api doctor 可以查找原因。',
  ],
  ['Nothing: it was waited out here, and no client saw it.', '无需处理：已在此等待，客户端没有察觉。'],
  ['Check the network; it is tried again by itself.', '检查网络；会自动重试。'],
  // Upstreams and their states
  ['Scripted model', '脚本模型'],
  ['Server of your own', '你自己的服务器'],
  ['Official API', '官方 API'],
  ['chat.z.ai, without an API key', 'chat.z.ai，无需 API 密钥'],
  ['Ready.', '就绪。'],
  ['Paused by the operator.', '已由管理员暂停。'],
  ['It does not answer. Requests try the others first.', '无响应，请求会先尝试其他上游。'],
  ['{} waiting for it.', '{} 个请求在排队。'],
  ['{} of {} credentials can take a request.', '可用凭证：{} / {}。'],
  ['{} of {} credentials can take a request, and {} wait.', '可用凭证：{} / {}，{} 个请求在排队。'],
  ['No credential can take a request.', '没有可用的凭证。'],
  // Bodies that are not there
  [
    'Its bodies have made room for those of newer requests; CAPTURE_MB sets how many are kept.',
    '其内容已让位给更新的请求；CAPTURE_MB 设置保留多少。',
  ],
  [
    'Bodies are not kept (CAPTURE is {}): start to capture for some minutes, or set CAPTURE=memory.',
    '未保留内容（CAPTURE 为 {}）：可以开启保留几分钟，或设置 CAPTURE=memory。',
  ],
  [
    'It came before bodies were kept, or with an earlier run of this gateway.',
    '它到达时尚未保留内容，或属于网关上一次运行。',
  ],
  ['The request did not get as far as this body, or it has not been kept.', '请求没有进行到这一步，或未保留。'],
  // Routes
  ['its name', '按名称'],
  ['the only upstream with it', '唯一有该模型的上游'],
  ['UPSTREAMS order', 'UPSTREAMS 的顺序'],
  ['newest model', '最新的模型'],
  ['resting', '休息中'],
  // Sources of settings
  ['flag {}', '命令行 {}'],
  ['environment variable {}', '环境变量 {}'],
  // Notes
  [
    'max_tokens of the model cut to {}: the budget of the key pays for no more',
    '模型的 max_tokens 减为 {}：密钥的预算只够这么多',
  ],
  ['max_tokens {} cut to {}: the budget of the key pays for no more', 'max_tokens {} 减为 {}：密钥的预算只够这么多'],
  ['max_tokens {} cut to {}: the prompt leaves no room for more', 'max_tokens {} 减为 {}：提示之外没有更多空间'],
  ['{}: resting; asking {}', '{}：休息中，改问 {}'],
  ['{}: {}; going on with {}', '{}：{}，改用 {}'],
  ['schema of a tool not checked: {}', '未检查工具的 schema：{}'],
  ['schema not checked: {}', '未检查 schema：{}'],
  ['asking again without reasoning: the reply held nothing else', '不带思考再次询问：回复中没有其他内容'],
  ['sent the reasoning as the answer: the reply held nothing else', '以思考作为回答：回复中没有其他内容'],
  ['waited {} s for {}', '等待 {} 秒：{}'],
  ['{} tool call(s) dropped: {}', '舍弃 {} 个工具调用：{}'],
  ['repair round: {}', '修复一轮：{}'],
  ['repair round failed: {}', '修复失败：{}'],
  ['{} image(s) omitted: {} cannot see them', '略去 {} 张图片：{} 看不到图片'],
  ['{} always thinks', '{} 总会思考'],
  ['took a call out of the thinking, which held it instead of the answer', '从思考中取出了本应在回答中的工具调用'],
  ['attachment left out: {}', '略去附件：{}'],
  ['image omitted', '略去图片'],
  ['video omitted', '略去视频'],
  ['PDF read: {} of {} pages', '已读 PDF：{} / {} 页'],
  ['replay of {}', '重放 {}'],
  ['retry ({}) after a reply without a call', '重试（{}）：回复中没有工具调用'],
  ['retry ({}) after {}, which may have been carried out', '重试（{}）：{}，它可能已被执行'],
  ['retry ({}) after {}', '重试（{}）：{}'],
  ['tool_choice is none', 'tool_choice 为 none'],
  ['tool_choice names another tool', 'tool_choice 指定了另一个工具'],
  ['parallel_tool_calls is false', 'parallel_tool_calls 为 false'],
  ['MCP calls refused: the limit of {} is reached', '拒绝 MCP 调用：已达上限 {}'],
  ['skipped an unreadable chunk', '跳过了一个无法解读的数据块'],
  ['skipped an unreadable frame', '跳过了一个无法解读的帧'],
  ['skipped an unreadable tool block', '跳过了一个无法解读的工具块'],
  ['unknown finish reason {}', '未知的结束原因 {}'],
  ['rewrote sent text', '改写了已发送的文本'],
]

const patterns = [...sentences, ...doctorTexts, ...operatorErrorTexts, ...requestErrorTexts].map(
  ([english, chinese]) => {
    const pattern = english.split('{}').map(literally).join('(.+?)')
    return { pattern: new RegExp(`^${pattern}$`), chinese }
  },
)

function literally(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** A field of a request, or what a sentence is about, in front of it. */
const named = /^([\w.-]+): (.+)$/

/** A list shows the same sentences again and again, and most are compared with all patterns. */
const known = new Map<string, string>()
const mostKnown = 1_000

/** A sentence of the gateway in Chinese; as it is where it is not known. */
export function inChinese(sentence: string): string {
  const before = known.get(sentence)
  if (before !== undefined) return before
  if (known.size >= mostKnown) known.clear()
  const translated = translate(sentence)
  known.set(sentence, translated)
  return translated
}

function translate(sentence: string): string {
  if (/^[\d,]+ tokens$/.test(sentence)) return inUnits(sentence)
  for (const { pattern, chinese } of patterns) {
    const found = pattern.exec(sentence)
    if (found) return filledIn(chinese, found.slice(1))
  }
  const [, name, rest = ''] = named.exec(sentence) ?? []
  const translated = name === undefined ? rest : inChinese(rest)
  return translated === rest ? sentence : `${name}：${translated}`
}

/** Puts values in their places: `{}` takes the next one, `{0}` the first. A value may be a sentence of the gateway itself. */
function filledIn(chinese: string, values: readonly string[]): string {
  let next = 0
  const text = chinese.replaceAll(/\{(\d?)\}/g, (_all, index: string) =>
    valueInChinese(values[Number(index || next++)] ?? ''),
  )
  return text.replaceAll(needless, '')
}

/** The space that stands between a Chinese and a Latin word, beside a value that is Chinese itself. */
const needless = /(?<=[\u3000-\u9fff\uff00-\uffef]) (?=[\u3000-\u9fff\uff00-\uffef])/g

function valueInChinese(value: string): string {
  return budgetInChinese(value.trim()) ?? inChinese(value.trim())
}

const amount = String.raw`\$?[\d.,]+(?: tokens| credits)?`
const budget = new RegExp(`^(?:(${amount}) of )?(${amount}) (?:a (day|week|month)|in (total)|in (\\d+) hours)$`)
const spans: Readonly<Record<string, string>> = { day: '每天', week: '每周', month: '每月', total: '总计' }

/** `$3 of $20 a month`: what is left of a budget. */
function budgetInChinese(text: string): string | undefined {
  const [, left, whole = '', day, total, hours] = budget.exec(text) ?? []
  if (whole === '') return undefined
  const limit = `${spans[day ?? total ?? ''] ?? `每 ${hours} 小时`} ${inUnits(whole)}`
  return left === undefined ? limit : `${inUnits(left)}（${limit}）`
}

function inUnits(text: string): string {
  return text.replace(' tokens', ' token').replace(' credits', ' 积分')
}

import { doctorTexts } from './doctor-texts.ts'
import { errorTexts } from './error-texts.ts'

export { settingTexts } from './setting-texts.ts'

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
  // States of upstreams
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
  ['resting', '休息中'],
  // Notes
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
]

const patterns = [...sentences, ...doctorTexts, ...errorTexts].map(([english, chinese]) => {
  const pattern = english
    .split('{}')
    .map((piece) => piece.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('(.+?)')
  return { pattern: new RegExp(`^${pattern}$`), chinese }
})

/** A field of a request, or what a sentence is about, in front of it. */
const named = /^([\w.-]+): (.+)$/

/** A sentence of the gateway in Chinese; as it is where it is not known. */
export function inChinese(sentence: string): string {
  for (const { pattern, chinese } of patterns) {
    const found = pattern.exec(sentence)
    if (!found) continue
    const values = found.slice(1)
    // A value may be a sentence of the gateway itself.
    return chinese.replaceAll('{}', () => inChinese(values.shift() ?? ''))
  }
  const [, name, rest = ''] = named.exec(sentence) ?? []
  const translated = name === undefined ? rest : inChinese(rest)
  return translated === rest ? sentence : `${name}：${translated}`
}

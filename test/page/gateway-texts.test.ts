import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { Glob } from 'bun'
import { remedies, remedyOf } from '../../src/admin/remedies.ts'
import { settingList } from '../../src/config/table.ts'
import { fieldsOf, rowSetting } from '../../src/config/upstream-rows.ts'
import { inChinese, settingTexts } from '../../src/page/gateway-texts/index.ts'
import { allowedTexts, rowTexts } from '../../src/page/gateway-texts/settings.ts'
import { upstreamKinds } from '../../src/upstreams/index.ts'
import { tokenAdvice } from '../../src/upstreams/zai-web/token-advice.ts'

test('every remedy has its translation', () => {
  const all = [...Object.values(remedies), remedyOf('of no table')]
  expect(all.filter((sentence) => inChinese(sentence) === sentence)).toEqual([])
})

test.each([
  ['Ready.', '就绪。'],
  ['2 of 3 credentials can take a request, and 1 wait.', '可用凭证：2 / 3，1 个请求在排队。'],
  [
    'max_tokens 32000 cut to 512: the prompt leaves no room for more',
    'max_tokens 32000 减为 512：提示之外没有更多空间',
  ],
  ['waited 3 s for key 1', '等待 3 秒：key 1'],
  ['zai-api: 1302; going on with zai-web', 'zai-api：1302，改用 zai-web'],
  ['this machine is 3 s ahead', '本机快 3 秒'],
  ['this machine is 3 s behind', '本机慢 3 秒'],
  ['proxy.example:8080 by HTTPS_PROXY', 'proxy.example:8080，由 HTTPS_PROXY 设置'],
  ['relay.example does not tell the usage of a plan.', 'relay.example 不提供套餐用量。'],
  ['There is no key "ci".', '没有密钥 "ci"。'],
  ['name: there is a key of this name already', 'name：已有同名的密钥'],
  ['budgets.0: expected the unit usd, tokens, credits', 'budgets.0：单位应为 usd, tokens, credits'],
  [
    'budgets: the price of GLM-5.4 is not known here, so no budget in US dollars can be kept for it. Known are those of GLM-5.3, GLM-5.2 and 9 others. Leave the model out, set its price in [[models]] of zai2api.toml, or choose a budget in tokens',
    'budgets：这里不知道 GLM-5.4 的价格，因此无法为它设置以美元计的预算。已知价格的有 GLM-5.3, GLM-5.2 和另外 9 个。可以去掉该模型、在 zai2api.toml 的 [[models]] 中设置它的价格，或改用以 token 计的预算',
  ],
  [
    `Z.AI accepts none of the tokens that this gateway has. ${tokenAdvice}`,
    'Z.AI 不接受此网关的任何 token。登录 chat.z.ai，把其页面本地存储中的 token 复制到 ZAI_TOKEN。',
  ],
  [
    'Z.AI does not accept this request. It says: temperature is out of range.',
    'Z.AI 不接受此请求。它说：temperature is out of range.',
  ],
  [
    'The usage limit of this Z.AI account is reached. It resets at 2026-12-01 10:00 UTC; until then use another key.',
    '此 Z.AI 账号的用量已达上限。2026-12-01 10:00 UTC 重置；在此之前请使用其他密钥。',
  ],
  ['The connection to the upstream broke before its answer was complete.', '与上游的连接在答完之前断开。'],
  ['The demo is down, as [500] in your message asks it to.', '演示模型按你消息中的 [500] 行事：停止服务。'],
  [
    'The model `glm-9` does not exist here. Available: GLM-4.5; GET /v1/models lists them with their variants.',
    '模型 `glm-9` 在这里不存在。可用：GLM-4.5；GET /v1/models 列出它们及其变体。',
  ],
  [
    'The budget of this key is used up: $20 a month. It resets at 2027-01-01T00:00:00.000Z.',
    '此密钥的预算已用尽：每月 $20。2027-01-01T00:00:00.000Z 重置。',
  ],
  [
    'The budget of this key is used up: what is left, 120 tokens of 3,000 tokens a day, does not pay for this prompt and a short answer. Until the model has counted the prompt, 40 tokens are set aside for it. It resets at 2026-12-02T00:00:00.000Z.',
    '此密钥的预算已用尽：剩余的 120 token（每天 3,000 token）不够这个提示和一个简短的回答。在模型数出提示的长度之前，为它预留 40 个 token。2026-12-02T00:00:00.000Z 重置。',
  ],
  [
    'The price of GLM-5.4 is not known here, and this key has a budget in US dollars. Known are those of GLM-5.3. Whoever runs this gateway can set it in [[models]] of zai2api.toml.',
    '这里不知道 GLM-5.4 的价格，而此密钥有以美元计的预算。已知价格的有 GLM-5.3。网关的管理员可以在 zai2api.toml 的 [[models]] 中设置。',
  ],
  [
    'The tools of the MCP server `files` could not be listed: it closed the connection.',
    '无法列出 MCP 服务器 `files` 的工具：它关闭了连接。',
  ],
  ['it was refused by a server', 'it was refused by a server'],
  ['What nobody has translated.', 'What nobody has translated.'],
])('%s', (sentence, expected) => {
  expect(inChinese(sentence)).toBe(expected)
})

test('every setting has its description, and every kind of value its name', () => {
  expect(settingList.map(({ env }) => env).filter((env) => !settingTexts[env])).toEqual([])
  expect(Object.keys(settingTexts).filter((env) => !settingList.some((setting) => setting.env === env))).toEqual([])
  const kinds = new Set(settingList.map(({ kind }) => kind.allowed))
  expect([...kinds].filter((allowed) => !allowedTexts[allowed])).toEqual([])
})

test('every field of a row of an upstream has its description, and every kind of value its name', () => {
  const fields = upstreamKinds.flatMap(({ row }) => (row === undefined ? [] : fieldsOf(row)))
  expect(fields.filter(({ about }) => !rowTexts[about]).map(({ name }) => name)).toEqual([])
  expect(fields.filter(({ allowed }) => !allowedTexts[allowed]).map(({ name }) => name)).toEqual([])
  expect(Object.keys(rowTexts).filter((text) => !fields.some(({ about }) => about === text))).toEqual([])
})

/** Calls that say something to the operator. */
const toldOperators =
  /\b(?:pass|warn|fail|skip|noGuest|invalidField|GatewayError)\(|\bconst (?:says|next) = |\btitle: /g
/** A text in quotes. */
const quoted = /'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`/g
/** Texts that are written in several pieces, one behind the other. */
const joined = new RegExp(`(?:${quoted.source})(?:\\s*\\+\\s*(?:${quoted.source}))*`, 'g')

/** Sentences of the sources, as far as they stand there as a text. */
function sentencesIn(file: string, says: RegExp): string[] {
  const source = readFileSync(file, 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
  const found = [...source.matchAll(says)].flatMap(({ index }) => {
    // To the end of the statement.
    const statement = source.slice(index, index + 600).split(/\n\s*(?:\}|const |return |if |for |yield )/)[0] ?? ''
    return [...statement.matchAll(joined)].map(([text]) => [...text.matchAll(quoted)].map(pieceOf).join(''))
  })
  return [...new Set(found)].filter((text) => /[a-z]{2,} [a-z]/.test(text))
}

/** What is inserted counts as a word. */
function pieceOf([, single, double, template = '']: RegExpMatchArray): string {
  return single ?? double ?? withWords(template).replaceAll('\\`', '`')
}

/** What is inserted may hold quotes and braces itself; the names of fields of a row are the same everywhere. */
function withWords(template: string): string {
  let text = template.replaceAll(/\$\{rowSetting\('(\w+)', \w+\)\}/g, (_all, field: string) => rowSetting(field, 'X'))
  for (let before = ''; before !== text; ) {
    before = text
    text = text.replaceAll(/\$\{[^{}]*\}/g, 'X')
  }
  return text
}

/** Texts whose parts depend on what is inserted; the cases above have what comes of them. */
const composed =
  /^this machine is X s X$|^X by X$|^There is no key \$\{|^Expected one of \$\{|^The model `X`X does|^The X of X is|^The budget of this key is used up: /

const speakers = [
  'src/cli/commands/doctor/*.ts',
  'src/upstreams/*/doctor.ts',
  'src/upstreams/*/kind.ts',
  'src/admin/**/*.ts',
  'src/keys/change.ts',
  'src/keys/index.ts',
]

test.each(speakers.flatMap((pattern) => [...new Glob(pattern).scanSync('.')].toSorted()))(
  'what %s says has its translation',
  (file) => {
    expect(sentencesIn(file, toldOperators).filter((text) => !composed.test(text) && inChinese(text) === text)).toEqual(
      [],
    )
  },
)

/** Errors of what a gateway asks for others; what is wrong with a field of a request is told whoever writes the client. */
const toldClients = /\bGatewayError\(|\bmessage(?:: |:$)|\bnoKey: /gm

const answering = ['src/upstreams/**/*.ts', 'src/http-client/*.ts', 'src/wire/*.ts', 'src/prompted-tools/*.ts']

test.each(answering.flatMap((pattern) => [...new Glob(pattern).scanSync('.')].toSorted()))(
  'what %s answers a request with has its translation',
  (file) => {
    expect(sentencesIn(file, toldClients).filter((text) => !composed.test(text) && inChinese(text) === text)).toEqual(
      [],
    )
  },
)

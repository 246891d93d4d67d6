import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { Glob } from 'bun'
import { remedies, remedyOf } from '../../src/admin/remedies.ts'
import { settingList } from '../../src/config/table.ts'
import { inChinese, settingTexts } from '../../src/page/gateway-texts.ts'
import { allowedTexts } from '../../src/page/setting-texts.ts'

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
  ['There is no key "ci".', '没有密钥 "ci"。'],
  ['name: there is a key of this name already', 'name：已有同名的密钥'],
  ['budgets.0: expected the unit usd, tokens, credits', 'budgets.0：单位应为 usd, tokens, credits'],
  [
    'budgets: the price of GLM-5.4 is not known here, so no budget in US dollars can be kept for it. Known are those of GLM-5.3, GLM-5.2 and 9 others. Leave the model out, set its price in [[models]] of zai2api.toml, or choose a budget in tokens',
    'budgets：这里不知道 GLM-5.4 的价格，因此无法为它设置以美元计的预算。已知价格的有 GLM-5.3, GLM-5.2 和另外 9 个。可以去掉该模型、在 zai2api.toml 的 [[models]] 中设置它的价格，或改用以 token 计的预算',
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

/** Calls that say something to the operator. */
const says = /\b(?:pass|warn|fail|skip|noSession|invalidField|GatewayError)\(|\bconst (?:says|next) = /g
/** A text in one of the two quotes; what is inserted counts as a word. */
const quoted = /'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`/g

/** Sentences of the sources, as far as they stand there as a text. */
function sentencesIn(file: string): string[] {
  const source = readFileSync(file, 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
  const found = [...source.matchAll(says)].flatMap(({ index }) => {
    // To the end of the statement.
    const statement = source.slice(index, index + 600).split(/\n\s*(?:\}|const |return |if |for |yield )/)[0] ?? ''
    return [...statement.matchAll(quoted)].map(([, plain, template]) => plain ?? withWords(template ?? ''))
  })
  return [...new Set(found)].filter((text) => /[a-z]{2,} [a-z]/.test(text))
}

/** What is inserted may hold quotes and braces itself. */
function withWords(template: string): string {
  let text = template
  for (let before = ''; before !== text; ) {
    before = text
    text = text.replaceAll(/\$\{[^{}]*\}/g, 'X')
  }
  return text
}

/** Texts whose parts depend on what is inserted; the cases above have what comes of them. */
const composed = /^this machine is X s X$|^X by X$|^There is no key \$\{/

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
    expect(sentencesIn(file).filter((text) => !composed.test(text) && inChinese(text) === text)).toEqual([])
  },
)

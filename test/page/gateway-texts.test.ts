import { expect, test } from 'bun:test'
import { remedies, remedyOf } from '../../src/admin/remedies.ts'
import { inChinese } from '../../src/page/gateway-texts.ts'

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
  ['What nobody has translated.', 'What nobody has translated.'],
])('%s', (sentence, expected) => {
  expect(inChinese(sentence)).toBe(expected)
})

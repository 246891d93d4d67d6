import { expect, test } from 'bun:test'
import { apiBase, zaiApi } from '../../../src/upstreams/zai-api/index.ts'
import { manualClock } from '../../support/clock.ts'
import { lending } from '../../support/pool.ts'
import { baseUrl } from '../../support/zai-api.ts'
import { modelNamed, request } from './support.ts'

test.each([
  ['general', 'https://api.z.ai/api/paas/v4'],
  ['Coding', 'https://api.z.ai/api/coding/paas/v4'],
  ['bigmodel', 'https://open.bigmodel.cn/api/paas/v4'],
  ['bigmodel-coding', 'https://open.bigmodel.cn/api/coding/paas/v4'],
  [' https://proxy.example.com/zai/v4/ ', 'https://proxy.example.com/zai/v4'],
  ['http://127.0.0.1:8080/v4', 'http://127.0.0.1:8080/v4'],
])('%p stands for %s', (value, expected) => expect(apiBase(value)).toBe(expected))

test.each([
  '',
  'plan',
  'constructor',
  'https://api.z.ai/v1',
  'ftp://api.z.ai/v4',
  'https://u:p@api.z.ai/v4',
  'https://api.z.ai/v4?x=1',
])('%p stands for nothing', (value) => expect(apiBase(value)).toBeUndefined())

test.each<[string, Partial<typeof request>, string[]]>([
  ['nothing of a plain request', {}, []],
  ['thinking that cannot be switched off', { model: 'glm-5.3', reasoning: { mode: 'off' } }, ['thinking']],
  ['thinking of a model that has none', { model: 'glm-4-flash-250414', reasoning: { mode: 'on' } }, ['thinking']],
  ['an effort of a model that knows none', { reasoning: { mode: 'on', effort: 'low' } }, ['reasoning_effort']],
  ['no effort that is mapped', { model: 'glm-5.3', reasoning: { mode: 'on', effort: 'medium' } }, []],
  ['nothing where it can', { model: 'glm-4.7', reasoning: { mode: 'off' } }, []],
  [
    'documents',
    {
      messages: [
        { role: 'user', parts: [{ type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } }] },
      ],
    },
    ['documents'],
  ],
  [
    'sites to leave out of a search',
    { search: true, searchRules: { chosen: false, allowedDomains: ['a.example'], blockedDomains: ['b.example'] } },
    ['web_search.blocked_domains'],
  ],
  [
    'more than one site to search',
    { search: true, searchRules: { chosen: false, allowedDomains: ['a.example', 'b.example'] } },
    ['web_search.allowed_domains'],
  ],
  ['a temperature over 1', { sampling: { temperature: 1.1 } }, ['temperature']],
  ['no temperature up to 1', { sampling: { temperature: 1 } }, []],
  ['nothing of a search that does not happen', { searchRules: { chosen: false, blockedDomains: ['b.example'] } }, []],
])('unsupported is %s', (_name, more, expected) => {
  const options = { keys: [], baseUrl, idleMs: 1, headersTimeoutMs: 1, modelsTtlMs: 1, scanLimit: 1, tools: true }
  const clock = manualClock()
  const upstream = zaiApi(options, { ...lending(clock), fetch, clock, newUuid: () => '', log: () => {} })
  expect(upstream.ignored({ ...request, ...more }, modelNamed(more.model ?? request.model))).toEqual(expected)
})

import { describe, expect, test } from 'bun:test'
import type { Delta, ServerTool } from '../../src/core/events.ts'
import type { ChatRequest, SearchRules } from '../../src/core/request.ts'
import { runTransform } from '../../src/core/transform.ts'
import type { Upstream } from '../../src/core/upstream.ts'
import type { ModelRoute } from '../../src/gateway/model-routing.ts'
import { resolveWebSearch, type SearchPolicy, searchFilter } from '../../src/gateway/web-search.ts'
import { plainRequest } from '../support/request.ts'

const tool = { name: 'f', description: '', parameters: {} }
const asking = plainRequest({
  model: 'GLM-4.5',
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'news\nof  today' }] }],
  search: true,
  ignored: ['top_k'],
})

interface Circumstances {
  tools?: true
  /** By an option of its own, or by `tool_choice`, which rules all tools out. */
  chosen?: 'option' | 'tool-choice'
  byName?: true
  /** The upstream can do both. */
  beside?: true
  /** The upstream takes no tools at all. */
  toolsOff?: true
  modelCannot?: true
}

function settled(facts: Circumstances, policy: SearchPolicy, asked: Partial<ChatRequest> = {}): ChatRequest {
  const rules: SearchRules | undefined = facts.chosen ? { chosen: true } : undefined
  const upstream: Upstream = {
    id: 'fake',
    ...(facts.beside ? { searchesBesideTools: true } : {}),
    models: async () => [],
    ignored: () => (facts.toolsOff ? ['tools'] : []),
    open: async () => {
      throw new Error('not here')
    },
    check: async () => {},
  }
  const found: ModelRoute = {
    upstream,
    model: {
      id: 'GLM-4.5',
      upstreamId: 'x',
      createdAtSeconds: 0,
      vision: false,
      reasoning: 'never',
      search: !facts.modelCannot,
    },
    request: {
      ...asking,
      tools: facts.tools ? [tool] : [],
      toolChoice: facts.chosen === 'tool-choice' ? 'none' : 'auto',
      ...(rules ? { searchRules: rules } : {}),
      ...asked,
    },
    reasoningByName: false,
    by: 'its name',
    isUnlisted: false,
    searchByName: facts.byName === true,
  }
  return resolveWebSearch(found, policy).request
}

describe('a search that is asked for', () => {
  test.each<[string, Circumstances, { auto: boolean; on: boolean }]>([
    ['alone happens', {}, { auto: true, on: true }],
    ['beside tools happens only when it always shall', { tools: true, beside: true }, { auto: false, on: true }],
    [
      'beside tools, by an option of its own',
      { tools: true, beside: true, chosen: 'option' },
      { auto: true, on: true },
    ],
    [
      'beside tools, named by tool_choice',
      { tools: true, beside: true, chosen: 'tool-choice' },
      { auto: true, on: true },
    ],
    ['beside tools, named by the model', { tools: true, beside: true, byName: true }, { auto: true, on: true }],
    ['would replace the tools of a backend that cannot do both', { tools: true }, { auto: false, on: false }],
    ['the same, named by the model', { tools: true, byName: true }, { auto: false, on: false }],
    ['the same, by an option of its own', { tools: true, chosen: 'option' }, { auto: false, on: false }],
    [
      'the same, named by tool_choice: no tool is wanted',
      { tools: true, chosen: 'tool-choice' },
      { auto: true, on: true },
    ],
    ['beside tools that are lost anyway', { tools: true, toolsOff: true }, { auto: true, on: true }],
    ['of a model that cannot search', { modelCannot: true, chosen: 'option' }, { auto: false, on: false }],
  ])('%s', (_name, facts, expected) => {
    for (const policy of ['auto', 'on'] as const) {
      const { search, ignored } = settled(facts, policy)
      expect({ search, ignored }).toEqual({
        search: expected[policy],
        ignored: expected[policy] ? ['top_k'] : ['top_k', 'web_search'],
      })
    }
    expect(settled(facts, 'off')).toMatchObject({ search: false, ignored: ['top_k', 'web_search'] })
  })

  test('by nobody is not missed', () => {
    for (const policy of ['auto', 'on', 'off'] as const)
      expect(settled({ tools: true }, policy, { search: false })).toMatchObject({
        search: false,
        ignored: ['top_k'],
      })
  })
})

const page = { refId: 'r1', title: 'One', url: 'https://one.example/' }
const ran = (facts: Partial<ServerTool> = {}): Delta => ({
  type: 'server-tool',
  tool: { id: 's', name: 'search', arguments: '{}', kind: 'web-search', query: 'q', sources: [page], ...facts },
})
const word: Delta = { type: 'text', text: 'a' }

describe('a client', () => {
  test.each<[string, Partial<ChatRequest>, Delta[], Delta[]]>([
    ['that asked sees its searches', {}, [ran(), word], [ran(), word]],
    ['that did not ask sees none', { search: false }, [ran(), word], [word]],
    ['sees no other tools of the upstream', {}, [ran({ kind: 'other' }), word], [word]],
    ['sees as many as it allowed', { searchRules: { chosen: false, maxUses: 1 } }, [ran(), word, ran()], [ran(), word]],
    ['reads its own words where no query is told', {}, [ran({ query: undefined })], [ran({ query: 'news of today' })]],
    ['gets no links but to web pages', {}, [ran({ sources: [{ ...page, url: 'file:///x' }, page] })], [ran()]],
  ])('%s', (_name, asked, deltas, expected) => {
    expect(runTransform(searchFilter({ ...asking, ...asked }), deltas)).toEqual(expected)
  })
})

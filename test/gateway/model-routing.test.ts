import { describe, expect, test } from 'bun:test'
import type { ChatRequest } from '../../src/core/request.ts'
import type { Model, Upstream } from '../../src/core/upstream.ts'
import { listModels, type ModelRouteOptions, routeModel } from '../../src/gateway/model-routing.ts'
import { plainRequest } from '../support/request.ts'

function model(id: string, upstreamId: string, facts: Partial<Model> = {}): Model {
  return { id, upstreamId, createdAtSeconds: 0, vision: false, reasoning: 'on-request', search: true, ...facts }
}

const models = [
  model('GLM-5.3', 'glm-5.3', { reasoning: 'by-default' }),
  model('GLM-4.5', '0727-360B-API'),
  model('GLM-4.5-Air', '0727-106B-API'),
  model('Plain', 'plain', { reasoning: 'never', search: false }),
]
const upstream = { id: 'fake', ignored: () => [] as string[] } as Partial<Upstream> as Upstream
const offers = [{ upstream, models }]
const defaults: ModelRouteOptions = {
  primaryModel: 'GLM-4.5',
  smallModel: 'GLM-4.5-Air',
  thinkingModel: 'GLM-4.5-Thinking',
  searchModel: 'GLM-4.5-Search',
  listedNames: [],
  modelMap: [],
}

function request(name: string): ChatRequest {
  return plainRequest({
    model: name,
    messages: [],
  })
}

/** `GLM-4.5 reasoning=on search` */
function found(name: string, options: Partial<ModelRouteOptions> = {}): string {
  const { model, request: routed } = routeModel(request(name), offers, { ...defaults, ...options })
  const reasoning = routed.reasoning.mode === 'default' ? '' : ` reasoning=${routed.reasoning.mode}`
  return `${model.id}${reasoning}${routed.search ? ' search' : ''}`
}

describe('a name of many suffixes takes a time in proportion to its length', () => {
  const suffixes = (count: number) => '-thinking-search'.repeat(count)

  test('if the model exists', () => {
    expect(found(`glm-4.5${suffixes(11)}`)).toBe('GLM-4.5 reasoning=on search')
  })

  test.each([11, 15, 1_000])('if it does not exist: %i', (count) => {
    expect(() => found(`nobody${suffixes(count)}`)).toThrow('does not exist here')
  })

  test('if the server decides about names', () => {
    const asked: string[] = []
    const judging = { ...upstream, unlisted: (id: string) => void asked.push(id) } as Upstream
    const name = `nobody${suffixes(11)}`
    expect(() => routeModel(request(name), [{ upstream: judging, models }], defaults)).toThrow('does not exist here')
    expect([asked.length, asked[0], asked.at(-1)]).toEqual([23, 'nobody', name])
  })
})

describe('a model name finds its model', () => {
  test.each([
    ['as listed', 'GLM-4.5-Air', 'GLM-4.5-Air'],
    ['in any case', 'glm-4.5', 'GLM-4.5'],
    ["by the upstream's own name", '0727-360b-api', 'GLM-4.5'],
    ['behind a vendor', 'z-ai/glm-5.3', 'GLM-5.3'],
    ['with a window mark', 'GLM-5.3[1m]', 'GLM-5.3'],
    ['with -Thinking', 'GLM-4.5-Thinking', 'GLM-4.5 reasoning=on'],
    ['with -NoThinking', 'glm-5.3-nothinking', 'GLM-5.3 reasoning=off'],
    ['with -Search', 'GLM-4.5-Search', 'GLM-4.5 search'],
    ['with two suffixes', 'GLM-4.5-Thinking-Search', 'GLM-4.5 reasoning=on search'],
    ['opus is the primary model', 'claude-opus-4-7', 'GLM-4.5'],
    ['sonnet is the primary model', 'claude-sonnet-4-5-20250929', 'GLM-4.5'],
    ['haiku is Air', 'claude-haiku-4-5', 'GLM-4.5-Air'],
    ['old haiku is Air', 'claude-3-5-haiku-20241022', 'GLM-4.5-Air'],
    ['gpt is the primary model', 'gpt-4o', 'GLM-4.5'],
    ['mini is Air', 'gpt-5-mini', 'GLM-4.5-Air'],
    ['o-series is the primary model', 'o3', 'GLM-4.5'],
    ["with Ollama's tag", 'GLM-4.5:latest', 'GLM-4.5'],
    ["with a suffix and Ollama's tag", 'glm-4.5-thinking:latest', 'GLM-4.5 reasoning=on'],
    ["a foreign name with Ollama's tag", 'gpt-4o:latest', 'GLM-4.5'],
  ])('%s', (_name, asked, expected) => {
    expect(found(asked)).toBe(expected)
  })

  test.each<[string, string, Partial<ModelRouteOptions>, string]>([
    ['a rule of the user', 'my-model', { modelMap: [['my-model', 'GLM-5.3']] }, 'GLM-5.3'],
    ["a rule for a name with Ollama's tag", 'llama3:latest', { modelMap: [['llama3', 'GLM-5.3']] }, 'GLM-5.3'],
    ["a rule with Ollama's tag", 'llama3:latest', { modelMap: [['llama3:latest', 'GLM-5.3']] }, 'GLM-5.3'],
    ['a rule with a star', 'claude-opus-4-7', { modelMap: [['claude-*-4-*', 'glm-5.3']] }, 'GLM-5.3'],
    ['a rule beats the catalogue', 'GLM-4.5', { modelMap: [['glm-4.5', 'GLM-5.3-Thinking']] }, 'GLM-5.3 reasoning=on'],
    [
      'the first rule wins',
      'a',
      {
        modelMap: [
          ['a', 'GLM-5.3'],
          ['*', 'GLM-4.5'],
        ],
      },
      'GLM-5.3',
    ],
    ['another small model', 'claude-haiku-4-5', { smallModel: 'glm-5.3' }, 'GLM-5.3'],
    ['a small model nobody has is the primary', 'gpt-5-mini', { smallModel: 'house-small' }, 'GLM-4.5'],
    ['another primary model', 'gpt-4o', { primaryModel: 'GLM-5.3' }, 'GLM-5.3'],
    ['a primary model with a name of its own', 'house-model', { primaryModel: 'house-model' }, 'GLM-4.5'],
    ['foreign names follow it', 'claude-opus-4', { primaryModel: 'house-model' }, 'GLM-4.5'],
    [
      'a thinking model with a name of its own',
      'house-thinker',
      { thinkingModel: 'house-thinker' },
      'GLM-4.5 reasoning=on',
    ],
    ['both of the primary model', 'deep', { primaryModel: 'GLM-5.3', thinkingModel: 'deep' }, 'GLM-5.3 reasoning=on'],
    ['a search model with a name of its own', 'house-search', { searchModel: 'house-search' }, 'GLM-4.5 search'],
  ])('%s', (_name, asked, options, expected) => {
    expect(found(asked, options)).toBe(expected)
  })

  test.each([
    ['an unknown name', 'llama-3', {}],
    ['a suffix alone', '-thinking', {}],
    ['a rule that points nowhere', 'x', { modelMap: [['x', 'nope'] as const] }],
  ])('%s is not found, and the error lists the available models', (_name, asked, options) => {
    expect(() => found(asked, options)).toThrow(/GLM-5\.3, GLM-4\.5, GLM-4\.5-Air, Plain/)
    expect(() => found(asked, options)).toThrow(
      expect.objectContaining({ kind: 'not-found', code: 'model_not_found', param: 'model' }),
    )
  })
})

test("a model whose own name has Ollama's tag is found with it and without", () => {
  const tagged = [{ upstream, models: [model('llama3:latest', 'llama3:latest')] }]
  for (const name of ['llama3:latest', 'llama3'])
    expect(routeModel(request(name), tagged, defaults).model.upstreamId).toBe('llama3:latest')
})

test('the list has every model once, with its possible variants and the configured names', () => {
  expect(
    listModels(offers, { ...defaults, primaryModel: 'house-model', listedNames: ['house-model'] }).map(({ id }) => id),
  ).toEqual([
    'GLM-5.3',
    'GLM-5.3-Thinking',
    'GLM-5.3-NoThinking',
    'GLM-5.3-Search',
    'GLM-4.5',
    'GLM-4.5-Thinking',
    'GLM-4.5-Search',
    'GLM-4.5-Air',
    'GLM-4.5-Air-Thinking',
    'GLM-4.5-Air-Search',
    'Plain',
    'house-model',
  ])
})

test('a model whose reasoning cannot be turned off has no NoThinking variant', () => {
  const thinks = (id: string) => id === 'GLM-5.3'
  const restless = { ...upstream, ignored: (_: ChatRequest, { id }: Model) => (thinks(id) ? ['thinking'] : []) }
  const offered = [{ upstream: restless, models: [...models, model('GLM-5', 'glm-5', { reasoning: 'by-default' })] }]
  const ids = listModels(offered, defaults).map(({ id }) => id)
  expect(ids.filter((id) => id.endsWith('-NoThinking'))).toEqual(['GLM-5-NoThinking'])
})

test.each([
  ['of two models under one name the first in the list answers', [model('One', 'twin'), model('Twin', 'two')], 'One'],
  ['a list that takes the place of another counts from the next request on', [model('Two', 'twin')], 'Two'],
])('%s', (_name, listed, expected) => {
  expect(routeModel(request('TWIN'), [{ upstream, models: listed }], defaults).model.id).toBe(expected)
})

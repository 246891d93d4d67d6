import { expect, test } from 'bun:test'
import { anywhere, openapiPath, pathPattern, pathWith } from '../../src/http/path-pattern.ts'

test.each([
  ['/v1/messages', '/v1/messages', {}, {}],
  ['/v1/responses/:id/input_items', '/v1/responses/:id/input_items', { id: 'resp_1' }, { id: 'resp_1' }],
  ['/v1/models/*', '/v1/models/*', { '*': 'z-ai/glm-5' }, { '*': 'z-ai/glm-5' }],
  ['/models/:model:generateContent', '/models/:model', { model: 'glm-5:generateContent' }, { model: 'glm-5' }],
  ['/models/:model:generateContent', '/models/:model', { model: 'a:b:generateContent' }, { model: 'a:b' }],
  ['/models/:model:generateContent', '/models/:model', { model: 'glm-5:streamGenerateContent' }, undefined],
  ['/models/:model:generateContent', '/models/:model', { model: ':generateContent' }, undefined],
  ['/models/:model:generateContent', '/models/:model', { model: 'glm-5' }, undefined],
  ['/models/:model+:generateContent', '/models/*', { '*': 'z-ai/glm-5:generateContent' }, { model: 'z-ai/glm-5' }],
  ['/models/:model+:generateContent', '/models/*', { '*': 'z%2Dai/a%20b%3AgenerateContent' }, { model: 'z-ai/a b' }],
  ['/models/:model+:generateContent', '/models/*', { '*': 'glm-5:countTokens' }, undefined],
  ['/models/:model+', '/models/*', { '*': 'z-ai/glm-5' }, { model: 'z-ai/glm-5' }],
])('%s is %s, and makes of %p %p', (pattern, routerPath, found, params) => {
  const compiled = pathPattern(pattern)
  expect(compiled.routerPath).toBe(routerPath)
  expect(compiled.match(found)).toEqual(params)
})

test.each([
  ['/chat/completions', '/proxy/v1/chat/completions', true],
  ['/messages', '/v1/messages/batches', true],
  ['/messages', '/v1/messages2', false],
  ['/models/:model:generateContent', '/v1beta/models/glm-5:generateContent', true],
  ['/models/:model:generateContent', '/v1beta/models/glm-5:countTokens', false],
  ['/models/:model+:generateContent', '/v1beta/models/z-ai/glm-5:generateContent', true],
  ['/models/:model+:generateContent', '/v1beta/models/z-ai/glm-5:countTokens', false],
])('%s in %s: %p', (pattern, path, expected) => {
  expect(anywhere(pattern).test(path)).toBe(expected)
})

test.each([
  ['/v1/models/*', '/v1/models/{id}'],
  ['/v1/responses/:id/cancel', '/v1/responses/{id}/cancel'],
  ['/v1/models/:model:generateContent', '/v1/models/{model}:generateContent'],
  ['/v1/models/:model+:generateContent', '/v1/models/{model}:generateContent'],
])('%s is %s in OpenAPI', (pattern, expected) => {
  expect(openapiPath(pattern)).toBe(expected)
})

test('a path of a pattern has its parameters encoded', () => {
  expect(pathWith('/v1/models/:model:say/:part', { model: 'z-ai/glm-5', part: '1' })).toBe(
    '/v1/models/z-ai%2Fglm-5:say/1',
  )
})

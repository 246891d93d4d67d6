import { expect, test } from 'bun:test'
import { GatewayError } from '../../src/core/errors.ts'
import { countedModels, createUsageNames } from '../../src/observe/counted-names.ts'
import { openRecord, type RequestRecord } from '../../src/observe/record.ts'
import { manualClock } from '../support/clock.ts'

const clock = manualClock()
const usage = { inputTokens: 1, outputTokens: 1 }
const closed = (facts: Partial<RequestRecord>): RequestRecord => ({
  ...openRecord('req', 'POST', '/x', clock),
  ...{ dialect: 'openai-chat', status: 200, upstream: 'zai-api', usage },
  ...facts,
})

test.each<[string, Partial<RequestRecord>, string]>([
  ['a listed model', { model: 'GLM-5.3' }, 'GLM-5.3'],
  ['a listed model that fails', { model: 'GLM-5.3', error: new GatewayError('overloaded', '') }, 'GLM-5.3'],
  ['a listed name that the upstream does not know', { model: 'GLM-5.3', status: 404 }, 'other'],
  ['an unlisted model that answers', { model: 'GLM-9', isUnlisted: true }, 'GLM-9'],
  ['an unlisted name that fails', { model: 'x', isUnlisted: true, error: new GatewayError('overloaded', '') }, 'other'],
  ['a name that was not routed', { model: 'x', upstream: undefined as never }, 'other'],
])('%s', (_what, facts, name) => {
  expect(countedModels(100)(closed(facts))).toBe(name)
})

test('a name that has answered once keeps its failures', () => {
  const modelOf = countedModels(100)
  const failed = { isUnlisted: true, error: new GatewayError('overloaded', '') }
  const names = [failed, { isUnlisted: true }, failed].map((facts) => modelOf(closed({ model: 'GLM-9', ...facts })))
  expect(names).toEqual(['other', 'GLM-9', 'GLM-9'])
})

test('names that are made up do not displace those of a list', () => {
  const modelOf = countedModels(2)
  const madeUp = Array.from({ length: 100 }, (_, index) => modelOf(closed({ model: `x${index}`, isUnlisted: true })))
  expect(new Set(madeUp).size).toBe(21)
  expect(['a', 'b', 'c'].map((model) => modelOf(closed({ model })))).toEqual(['a', 'b', 'other'])
})

test('programs with a row of their own are counted by name, others up to a number in each hour', () => {
  const namesOf = createUsageNames(clock)
  const client = (name: string) => namesOf(closed({ model: 'GLM-5.3', client: { name } })).client
  const hour = () => new Set(Array.from({ length: 100 }, (_, index) => client(`made-up-${index}`)))
  expect(hour().size).toBe(21)
  expect([client('Claude Code'), client('my-tool')]).toEqual(['Claude Code', 'other'])
  clock.advance(3_600_000)
  expect(client('my-tool')).toBe('my-tool')
  expect(hour().size).toBe(20)
})

test('what a request does not have stays absent', () => {
  expect(createUsageNames(clock)(closed({ upstream: undefined as never }))).toEqual({ model: null, client: null })
})

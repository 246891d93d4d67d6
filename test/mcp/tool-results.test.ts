import { afterEach, describe, expect, test } from 'bun:test'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { said } from '../support/mcp-server.ts'
import { answer, calls, jsonOf, lookup, stopWorlds, world } from './support.ts'

afterEach(stopWorlds)

describe('what a tool returns', () => {
  const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

  test.each<[string, CallToolResult, string]>([
    ['texts', { content: [...said('one').content, ...said('two').content] }, 'one\ntwo'],
    ['a structure alone', { content: [], structuredContent: { a: [1] } }, '{"a":[1]}'],
    ['a structure and its text', { ...said('{"a": 1}'), structuredContent: { a: 1 } }, '{"a": 1}'],
    [
      'a resource, and a link to one',
      {
        content: [
          { type: 'resource', resource: { uri: 'file:///a', text: 'inside' } },
          { type: 'resource', resource: { uri: 'file:///b', blob: 'AAAA' } },
          { type: 'resource_link', uri: 'file:///c', name: 'c' },
        ],
      },
      'inside\n[file:///b]\n[c](file:///c)',
    ],
    ['a sound', { content: [{ type: 'audio', mimeType: 'audio/wav', data: 'AAAA' }] }, '[audio/wav]'],
    ['nothing', { content: [] }, ''],
  ])('%s', async (_name, result, output) => {
    const { model, responses, tool: entry } = world({ ...lookup, call: () => result })
    model(calls(['s__lookup']), answer('Done.'))
    expect((await jsonOf(await responses({ tools: [entry()] }))).output[1]).toMatchObject({
      status: 'completed',
      output,
    })
  })

  test('an image, for a model that sees', async () => {
    const call = () => ({ content: [{ type: 'image' as const, mimeType: 'image/png', data: png }] })
    const { model, responses, tool: entry, asked } = world({ ...lookup, call })
    model(calls(['s__lookup']), answer('A dot.'))
    const reply = await jsonOf(await responses({ model: 'glm-4.6v', tools: [entry()] }))
    expect(reply.output[1]).toMatchObject({ status: 'completed', output: '[image/png]' })
    expect(JSON.stringify(asked(1).messages.slice(2))).toContain(png)
  })
})

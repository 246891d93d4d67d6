import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { GatewayError } from '../../src/core/errors.ts'
import type { Delta } from '../../src/core/events.ts'
import type { ChatRequest, Tool } from '../../src/core/request.ts'
import { clientToolNames, legalToolName, withLegalToolNames } from '../../src/core/tool-names.ts'
import { runTransform } from '../../src/core/transform.ts'
import { plainRequest } from '../support/request.ts'

const long = `mcp__plugin_${'a'.repeat(80)}__read_the_calendar_of_a_day`
const legal = /^[A-Za-z0-9_-]{1,64}$/

describe('a tool name', () => {
  test.each([
    ['stays where it is legal', 'read_file-2', /^read_file-2$/],
    ['of 64 characters stays', 'n'.repeat(64), /^n{64}$/],
    ['of 65 is shortened', 'n'.repeat(65), /^n{24}_[\da-f]{8}_n{30}$/],
    [
      'keeps both of its ends',
      long,
      /^mcp__plugin_a{12}_[\da-f]{8}__the_calendar_of_a_day$|^mcp__plugin_a{12}_[\da-f]{8}_.{30}$/,
    ],
    ['loses dots and slashes', 'server.tool/x', /^server_tool_x_[\da-f]{8}$/],
    ['in another script becomes a hash', '查询天气', /^__[\da-f]{8}$/],
    ['of half a character becomes a hash', '\ud83d', /^__[\da-f]{8}$/],
    ['that is empty becomes a hash', '', /^_[\da-f]{8}$/],
  ])('%s', (_name, name, expected) => expect(legalToolName(name)).toMatch(expected))

  test('becomes the same legal name every time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.nat(3), (name, attempt) => {
        expect(legalToolName(name, attempt)).toMatch(legal)
        expect(legalToolName(name, attempt)).toBe(legalToolName(name, attempt))
      }),
    )
  })
})

const tool = (name: string): Tool => ({ name, description: '', parameters: {} })

/** The request that the upstream gets, and the deltas that the client gets back. */
function through(request: ChatRequest, reply: (seen: ChatRequest) => Delta[]) {
  const { request: seen, restore } = withLegalToolNames(request)
  return { seen, deltas: restore ? runTransform(restore, reply(seen)) : reply(seen) }
}

test('a name is replaced everywhere in a request, and the client gets its own name back', () => {
  const sent = legalToolName(long)
  const request = plainRequest({
    tools: [tool(long), tool('short')],
    toolChoice: { name: long },
    messages: [
      {
        role: 'assistant',
        parts: [
          { type: 'tool-call', id: '1', name: long, arguments: '{}' },
          { type: 'tool-call', id: '2', name: 'gone/tool', arguments: '{}' },
        ],
      },
    ],
  })
  const { seen, deltas } = through(request, () => [
    { type: 'tool-call', key: 'a', name: sent, arguments: '{' },
    { type: 'tool-call', key: 'a', arguments: '}' },
    { type: 'tool-call', key: 'b', name: 'short' },
    { type: 'tool-call', key: 'c', name: long },
  ])
  expect(seen.tools.map(({ name }) => name)).toEqual([sent, 'short'])
  expect(seen.toolChoice).toEqual({ name: sent })
  expect(seen.messages).toEqual([
    {
      role: 'assistant',
      parts: [
        { type: 'tool-call', id: '1', name: sent, arguments: '{}' },
        { type: 'tool-call', id: '2', name: legalToolName('gone/tool'), arguments: '{}' },
      ],
    },
  ])
  expect(deltas).toEqual([
    { type: 'tool-call', key: 'a', name: long, arguments: '{' },
    { type: 'tool-call', key: 'a', arguments: '}' },
    { type: 'tool-call', key: 'b', name: 'short' },
    { type: 'tool-call', key: 'c', name: long },
  ])
})

test('two tools never get the same name', () => {
  const taken = legalToolName('a/b')
  const { seen, deltas } = through(plainRequest({ tools: [tool('a/b'), tool(taken)] }), ({ tools }) =>
    tools.map(({ name }): Delta => ({ type: 'tool-call', key: name, name })),
  )
  expect(seen.tools.map(({ name }) => name)).toEqual([legalToolName('a/b', 1), taken])
  expect(deltas.map((delta) => delta.type === 'tool-call' && delta.name)).toEqual(['a/b', taken])
})

test('an error has the name that the client knows', () => {
  const { deltas } = through(plainRequest({ tools: [tool('a/b')] }), () => [
    { type: 'error', error: new GatewayError('upstream-malformed', `The tool ${legalToolName('a/b')} is broken.`) },
  ])
  expect(deltas).toMatchObject([{ type: 'error', error: { message: 'The tool a/b is broken.' } }])
})

test('a request whose names are legal is the same object', () => {
  const request = plainRequest({ tools: [tool('a')] })
  expect(through(request, () => []).seen).toBe(request)
})

describe('an error before the reply', () => {
  const errorOf = (message: string) => new GatewayError('invalid-request', message)

  test('speaks of the name that the client knows', () => {
    const { restoreError } = withLegalToolNames(plainRequest({ tools: [tool('a/b')] }))
    expect(restoreError(errorOf(`No tool ${legalToolName('a/b')}.`)).message).toBe('No tool a/b.')
  })

  test('is the same one where no name was changed', () => {
    const error = errorOf('No tool a.')
    expect(withLegalToolNames(plainRequest({ tools: [tool('a')] })).restoreError(error)).toBe(error)
  })
})

describe('names that a dialect made', () => {
  const tools = [{ ...tool('read_2'), clientName: 'read' }, { ...tool('files__read'), clientName: 'read_2' }, tool('x')]

  test.each([
    ['the client’s own', 'The tool read_2 is broken.', 'The tool read is broken.'],
    ['each of several, in one pass', 'read_2, files__read', 'read, read_2'],
    ['whole words alone', 'read_22 files__read_2 read_2', 'read_22 files__read_2 read'],
    ['none that is not private', 'The tool x.', 'The tool x.'],
  ])('are in an error: %s', (_name, message, expected) => {
    const names = clientToolNames(tools)
    const error = () => new GatewayError('upstream-malformed', message)
    expect(names?.inError(error()).message).toBe(expected)
    expect(names && runTransform(names.inEvents, [{ type: 'error', error: error() }])).toMatchObject([
      { type: 'error', error: { message: expected } },
    ])
  })

  test('are nothing to look for where there are none', () => expect(clientToolNames([tool('x')])).toBeUndefined())
})

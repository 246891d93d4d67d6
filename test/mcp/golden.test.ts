import { afterEach, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isThorough } from '../support/effort.ts'
import { type McpServerScript, said, tool } from '../support/mcp-server.ts'
import { answer, calls, chunks, stopWorlds, type World, world } from './support.ts'

// What both APIs say of each case, whole and streamed. GOLDEN=write rewrites the files; a diff is read line by line.
const writing = process.env.GOLDEN === 'write'
const folder = join(import.meta.dir, 'golden')

/** Bytes of one read of the model's reply. */
const cutSizes = isThorough ? [1, 7, 64] : [7]

afterEach(stopWorlds)

interface Case {
  server: McpServerScript
  /** The model's replies, one a round. */
  model: () => Response[]
  /** Of Responses. */
  tool?: object
  /** Tools of the client. */
  own?: string[]
  rounds?: number
}

const lookup = { tools: [tool('lookup', { annotations: { readOnlyHint: true } })], call: () => said('A is a letter.') }
const thenAnswer = (...names: string[]) => [
  calls(...names.map((name) => [name, { q: name }] as const)),
  answer('It is', ' a letter.'),
]

const cases: Record<string, Case> = {
  'a call': { server: lookup, model: () => thenAnswer('s__lookup') },
  'reasoning, words and a call, then reasoning and words': {
    server: lookup,
    model: () => [
      chunks(
        { delta: { reasoning_content: 'I should ' } },
        { delta: { reasoning_content: 'look.' } },
        { delta: { content: 'Let me see.' } },
        { delta: { tool_calls: [{ index: 0, id: 'c1', function: { name: 's__lookup', arguments: '{"q":' } }] } },
        { delta: { tool_calls: [{ index: 0, function: { arguments: '"a"}' } }] } },
        { finish_reason: 'tool_calls', usage: { prompt_tokens: 20, completion_tokens: 9, total_tokens: 29 } },
      ),
      chunks(
        { delta: { reasoning_content: 'A letter.' } },
        { delta: { content: 'A is 字母 "a".' } },
        { finish_reason: 'stop', usage: { prompt_tokens: 40, completion_tokens: 7, total_tokens: 47 } },
      ),
    ],
  },
  'two calls at once': {
    server: { tools: [tool('one'), tool('two')], call: (name) => said(`${name} is done.`) },
    model: () => thenAnswer('s__one', 's__two'),
  },
  'a tool that fails': {
    server: { ...lookup, call: () => ({ ...said('Out of letters.'), isError: true }) },
    model: () => thenAnswer('s__lookup'),
  },
  'a server that fails': {
    server: {
      ...lookup,
      intercept: (_request, body) =>
        body.includes('"tools/call"') ? new Response('Out of order.', { status: 503 }) : undefined,
    },
    model: () => thenAnswer('s__lookup'),
  },
  'a call of the client beside one of a server': {
    server: lookup,
    own: ['own'],
    model: () => [calls(['own', { a: 1 }], ['s__lookup', { q: 'a' }])],
  },
  'a call that waits for an approval': {
    server: lookup,
    tool: { require_approval: 'always' },
    model: () => [calls(['s__lookup', { q: 'a' }]), answer('So far.')],
  },
  'more rounds than are allowed': {
    server: lookup,
    rounds: 1,
    model: () => [calls(['s__lookup', { q: 'a' }]), calls(['s__lookup', { q: 'b' }]), answer('Enough.')],
  },
  'a round that is cut for length': {
    server: lookup,
    model: () => [
      chunks(
        { delta: { content: 'Let me' } },
        { delta: { tool_calls: [{ index: 0, id: 'c1', function: { name: 's__lookup', arguments: '{"q' } }] } },
        { finish_reason: 'length', usage: { prompt_tokens: 20, completion_tokens: 9, total_tokens: 29 } },
      ),
    ],
  },
  'a second round that breaks off': {
    server: lookup,
    model: () => [calls(['s__lookup', { q: 'a' }]), chunks({ delta: { content: 'It is' } })],
  },
}

const asked: Record<string, (world: World, of: Case, stream: boolean) => Promise<Response>> = {
  'openai-responses': ({ responses, tool: entry }, of, stream) =>
    responses({ stream, tools: [entry(of.tool), ...(of.own ?? []).map((name) => ({ type: 'function', name }))] }),
  'anthropic-messages': ({ messages, entry }, of, stream) =>
    messages({
      stream,
      thinking: { type: 'adaptive' },
      mcp_servers: [entry()],
      tools: (of.own ?? []).map((name) => ({ name, input_schema: { type: 'object' } })),
    }),
}

/** A reply of the model that arrives in pieces of so many bytes. */
function inPieces(reply: Response, size: number): (_seen: unknown) => Promise<Response> {
  return async () => {
    const bytes = new Uint8Array(await reply.arrayBuffer())
    let at = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (at >= bytes.length) controller.close()
        else controller.enqueue(bytes.subarray(at, at + size))
        at += size
      },
    })
    return new Response(body, { headers: reply.headers })
  }
}

async function replyTo(of: Case, dialect: string, stream: boolean, size: number): Promise<string> {
  const here = world(of.server, of.rounds === undefined ? {} : { mcp: { rounds: of.rounds } })
  here.model(...of.model().map((reply) => inPieces(reply, size)))
  const response = (await asked[dialect]?.(here, of, stream)) ?? new Response()
  const text = await response.text()
  const shown = stream || response.status !== 200 ? text : `${JSON.stringify(JSON.parse(text), undefined, 2)}\n`
  const plain = shown
    .replaceAll(here.server.host, 'HOST')
    .replaceAll(/"(created_at|completed_at)":( ?)\d+/g, '"$1":$2' + '1800000000')
  return response.status === 200 ? plain : `HTTP ${response.status}\n${plain}\n`
}

for (const [name, of] of Object.entries(cases))
  describe(name, () => {
    test.each(Object.keys(asked).flatMap((dialect) => [[dialect, true] as const, [dialect, false] as const]))(
      '%s, streamed %p',
      async (dialect, stream) => {
        const path = join(folder, name.replaceAll(/[ ,]+/g, '-'), `${dialect}.${stream ? 'sse' : 'json'}`)
        const text = await replyTo(of, dialect, stream, 1_000_000)
        if (writing) {
          mkdirSync(join(path, '..'), { recursive: true })
          writeFileSync(path, text)
        }
        expect(existsSync(path)).toBe(true)
        expect(text).toBe(readFileSync(path, 'utf8'))
        for (const size of cutSizes) expect(await replyTo(of, dialect, stream, size)).toBe(text)
      },
    )
  })

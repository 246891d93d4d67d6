import { describe, expect, test } from 'bun:test'
import { collector } from '../../../src/core/collect.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import type { Delta } from '../../../src/core/events.ts'
import type { ChatRequest } from '../../../src/core/request.ts'
import type { Upstream, UpstreamCall } from '../../../src/core/upstream.ts'
import { createGateway } from '../../../src/gateway/index.ts'
import { createUpstreamHealth } from '../../../src/gateway/upstream-health.ts'
import { manualClock } from '../../support/clock.ts'
import { eventsIn } from '../../support/replies.ts'
import { plainRequest } from '../../support/request.ts'
import { validateHere } from '../../support/schema.ts'

const schema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'], additionalProperties: false }
const request = plainRequest({
  model: 'GLM-4.5',
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'A number, please.' }] }],
  output: { type: 'json', schema },
  search: true,
})

const say = (text: string): Delta => ({ type: 'text', text })
const think = (text: string): Delta => ({ type: 'reasoning', text })
const cost = (inputTokens: number, outputTokens: number): Delta => ({
  type: 'usage',
  usage: { inputTokens, outputTokens },
})
const stop: Delta = { type: 'finish', reason: 'stop' }

/** Answers each call with the next of `rounds`, one delta in each batch. An error in place of a round rejects the call. */
function scripted(rounds: (Delta[] | GatewayError)[]) {
  const calls: UpstreamCall[] = []
  let open = 0
  const upstream: Upstream = {
    id: 'scripted',
    models: async () => [
      { id: 'GLM-4.5', upstreamId: 'x', createdAtSeconds: 0, vision: false, reasoning: 'never', search: true },
    ],
    ignored: () => [],
    check: async () => {},
    async open(call) {
      const round = rounds[calls.push(call) - 1]
      if (round === undefined) throw new Error('one call too many')
      if (round instanceof GatewayError) throw round
      const left = [...round]
      open++
      let closed = false
      return {
        first: [],
        rest: {
          next(hear) {
            const delta = left.shift()
            hear(delta === undefined ? undefined : [delta])
          },
          cancel() {
            if (!closed) open--
            closed = true
          },
        },
      }
    },
  }
  return { upstream, calls, stillOpen: () => open }
}

async function answered(rounds: (Delta[] | GatewayError)[], asked: Partial<ChatRequest> = {}) {
  const { upstream, calls, stillOpen } = scripted(rounds)
  const health = createUpstreamHealth({ clock: manualClock(), random: () => 0, onChange() {} })
  const policy = {
    primaryModel: 'GLM-4.5',
    smallModel: 'GLM-4.5-Air',
    thinkingModel: 'T',
    searchModel: 'S',
    listedNames: [],
    loopLimit: 10_000,
    validate: validateHere,
    prepareAttachments: async (asked: ChatRequest) => asked,
  }
  const gateway = createGateway([upstream], { ...policy, webSearch: 'auto', modelMap: [] }, health)
  const notes: string[] = []
  const call = await gateway.start(
    { ...request, ...asked },
    {
      caller: 'key',
      signal: new AbortController().signal,
      whole: false,
      reasoningMode: 'think',
      newToolCallId: () => 'call_1',
      onCall: () => {},
      annotate: (note) => void notes.push(note),
      yieldIfLong: () => undefined,
    },
  )
  const whole = collector()
  const events = await eventsIn(await call.reply)
  for (const event of events) whole.push(event)
  return { reply: whole.result(), last: events.at(-1), calls, notes, stillOpen: stillOpen() }
}

describe('the first answer', () => {
  test('is returned as clean JSON, with one call', async () => {
    const { reply, calls, notes } = await answered([[think('Hm.'), say('Sure: {"n"'), say(':1}'), cost(10, 5), stop]])
    expect(reply).toEqual({
      blocks: [
        { type: 'reasoning', text: 'Hm.' },
        { type: 'text', text: '{"n":1}' },
      ],
      reason: 'stop',
      usage: { inputTokens: 10, outputTokens: 5 },
    })
    expect(calls.map(({ whole }) => whole)).toEqual([true])
    expect(notes).toEqual([])
  })

  test.each<[string, Delta[], object]>([
    ['cut for length', [say('{"n"'), { type: 'finish', reason: 'length' }], { reason: 'length', text: '{"n"' }],
    ['refused', [say('No.'), { type: 'finish', reason: 'content-filter' }], { reason: 'content-filter', text: 'No.' }],
  ])('%s passes unchanged', async (_name, deltas, { reason, text }: { reason?: string; text?: string }) => {
    const { reply } = await answered([deltas])
    expect(reply).toMatchObject({ blocks: [{ type: 'text', text }], reason })
  })

  test('with tool calls passes unchanged', async () => {
    const { reply } = await answered([
      [
        say('Let me look.'),
        { type: 'tool-call', key: 'a', name: 'look', arguments: '{}' },
        say('So.'),
        cost(1, 2),
        stop,
      ],
    ])
    expect(reply).toEqual({
      blocks: [
        { type: 'text', text: 'Let me look.' },
        { type: 'tool-call', id: 'call_1', name: 'look', arguments: '{}' },
        { type: 'text', text: 'So.' },
      ],
      reason: 'tool-calls',
      usage: { inputTokens: 1, outputTokens: 2 },
    })
  })

  test('that breaks off is an error', async () => {
    const { reply } = await answered([[say('{"n":1}')]])
    expect(reply).toMatchObject({ kind: 'upstream-truncated' })
  })

  test('to a schema that cannot be compiled is only checked for JSON', async () => {
    const output = { type: 'json' as const, schema: { $ref: '#/nowhere' } }
    const { reply, notes } = await answered([[say('{"x":1}'), stop]], { output })
    expect(reply).toMatchObject({ blocks: [{ type: 'text', text: '{"x":1}' }] })
    expect(notes).toEqual([expect.stringContaining('schema not checked')])
  })
})

describe('the repair round', () => {
  const bad: Delta[] = [think('Hm.'), say('{"n":"one"}'), cost(10, 5), stop]

  test('requests a corrected answer and shows nothing of the first', async () => {
    const { reply, calls, notes, stillOpen } = await answered([
      bad,
      [think('Ah.'), say('```\n{"n":1}\n```'), cost(30, 4), stop],
    ])
    expect(reply).toEqual({
      blocks: [
        { type: 'reasoning', text: 'Hm.' },
        { type: 'text', text: '{"n":1}' },
      ],
      reason: 'stop',
      usage: { inputTokens: 40, outputTokens: 9, cachedInputTokens: 0, reasoningTokens: 0 },
    })
    expect(calls[1]?.request).toEqual({
      ...request,
      messages: [
        ...request.messages,
        { role: 'assistant', parts: [{ type: 'text', text: '{"n":"one"}' }] },
        { role: 'user', parts: [{ type: 'text', text: expect.stringContaining('- n must be integer\n') }] },
      ],
      toolChoice: 'none',
      reasoning: { mode: 'off' },
      search: false,
    })
    expect(notes).toEqual(['repair round: n must be integer'])
    expect(stillOpen).toBe(0)
  })

  test('estimates the usage of both rounds if the upstream reports none', async () => {
    const { reply } = await answered([
      [say('{"n":"one"}'), stop],
      [say('{"n":1}'), stop],
    ])
    const one = await answered([[say('{"n":1}'), stop]])
    if (!reply || reply instanceof Error || !one.reply || one.reply instanceof Error) throw new Error('no reply')
    expect(reply.usage.inputTokens).toBeGreaterThan(2 * one.reply.usage.inputTokens)
    expect(reply.usage.outputTokens).toBeGreaterThan(one.reply.usage.outputTokens)
  })

  test.each<[string, Delta[] | GatewayError, string, string[]]>([
    ['is not good either', [say('{"n":1,"x":2}'), stop], 'the value must NOT have additional properties: x', []],
    ['is cut', [say('{"n"'), { type: 'finish', reason: 'length' }], 'n must be integer', []],
    ['breaks off', [say('{"n":1}')], 'n must be integer', []],
    [
      'cannot be asked',
      new GatewayError('rate-limited', 'Too many.'),
      'n must be integer',
      ['repair round failed: rate_limited'],
    ],
  ])('whose answer %s ends in an error that names the first violation', async (_name, second, violation, more) => {
    const { reply, calls, notes } = await answered([bad, second])
    expect(reply).toMatchObject({
      kind: 'upstream-malformed',
      code: 'structured_output_invalid',
      retry: false,
    })
    expect(reply instanceof Error && reply.message).toContain(violation)
    expect(calls).toHaveLength(2)
    expect(notes).toEqual(['repair round: n must be integer', ...more])
  })

  test.each<[string, Delta[] | GatewayError, object]>([
    ['is not good either', [say('{"n":"two"}'), cost(30, 4), stop], { inputTokens: 40, outputTokens: 9 }],
    ['cannot be paid', new GatewayError('rate-limited', 'No budget.'), { inputTokens: 10, outputTokens: 5 }],
  ])('whose answer %s has cost what the upstream has reported', async (_name, second, usage) => {
    const { last } = await answered([bad, second])
    expect(last).toMatchObject({ type: 'error', error: { code: 'structured_output_invalid' }, usage })
  })
})

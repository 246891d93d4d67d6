import { GatewayError } from '../../src/core/errors.ts'
import type { Delta, StreamEvent } from '../../src/core/events.ts'
import type { McpCall, McpServer } from '../../src/core/mcp.ts'
import type { ReplyStream } from '../../src/core/pipeline.ts'
import { streamNormaliser } from '../../src/core/stream-normaliser.ts'
import { clientToolNames, withLegalToolNames } from '../../src/core/tool-names.ts'
import { chain, type Transform } from '../../src/core/transform.ts'
import type { Model, Upstream } from '../../src/core/upstream.ts'
import { loopGuard } from '../../src/gateway/loop-guard.ts'
import { outputLimit } from '../../src/gateway/output-limit.ts'
import { placeReasoning } from '../../src/gateway/reasoning-placement.ts'
import { replyRules } from '../../src/gateway/reply-rules.ts'
import { stopAt } from '../../src/gateway/stop-sequences.ts'
import { toolArguments } from '../../src/gateway/tool-arguments.ts'
import { toolRules } from '../../src/gateway/tool-rules.ts'
import { searchFilter } from '../../src/gateway/web-search.ts'
import type { HostedTools } from '../../src/mcp/hosted-tools.ts'
import { rounds } from '../../src/mcp/rounds.ts'
import { channels } from '../../src/prompted-tools/channels.ts'
import { withoutDoubledCalls } from '../../src/prompted-tools/doubled-calls.ts'
import { toolCallParser } from '../../src/prompted-tools/parse.ts'
import { replyOf } from '../support/replies.ts'
import { plainRequest } from '../support/request.ts'
import { validateHere } from '../support/schema.ts'

const tool = { name: 'look', description: '', parameters: { type: 'object', properties: {} } }

const inChannels = {
  scanLimit: 1_000,
  frames: false,
  whole: false,
  empty: () => new GatewayError('upstream-malformed', 'empty'),
  annotate() {},
}

/** What a reply goes through in one of the cases, besides the decoder, the stream normaliser and the encoder. */
export interface Transforms {
  /** Behind the decoder. */
  sorting?: Transform<Delta, Delta>
  /** In front of the stream normaliser, and behind it. */
  rules?: Transform<Delta, Delta>
  checks?: Transform<StreamEvent, StreamEvent>
  /** Counts usage. */
  learns?: true
  /** Around the whole reply. */
  wraps?: (reply: ReplyStream) => ReplyStream
}

/** Each with the file it comes from: a transform that is in none of them could change what is written directly. */
export const transforms: Record<string, { file: string; make: () => Transforms }> = {
  'no rule': { file: 'core/stream-normaliser.ts', make: () => ({}) },
  'names that are restored': {
    file: 'core/tool-names.ts',
    make: () => {
      const { restore } = withLegalToolNames(plainRequest({ tools: [{ ...tool, name: 'a/b' }] }))
      return restore ? { sorting: restore } : {}
    },
  },
  'names in errors': {
    file: 'core/tool-names.ts',
    make: () => {
      const names = clientToolNames([{ ...tool, clientName: 'a/b' }])
      return names ? { checks: names.inEvents } : {}
    },
  },
  'tags of reasoning': {
    file: 'prompted-tools/channels.ts',
    make: () => ({ sorting: channels({ ...inChannels, tools: [] }) }),
  },
  'calls written as text': {
    file: 'prompted-tools/parse.ts',
    make: () => ({ sorting: toolCallParser([tool], { scanLimit: 1_000 }) }),
  },
  'tags of reasoning and calls written as text': {
    file: 'prompted-tools/parse.ts',
    make: () => ({
      sorting: chain(channels({ ...inChannels, tools: [tool] }), toolCallParser([tool], { scanLimit: 1_000 })),
    }),
  },
  'calls that are written and made as well': {
    file: 'prompted-tools/doubled-calls.ts',
    make: () => ({ sorting: chain(toolCallParser([tool], { scanLimit: 1_000 }), withoutDoubledCalls()) }),
  },
  'a learned usage': { file: 'gateway/learn-usage.ts', make: () => ({ learns: true }) },
  'the guard against loops': { file: 'gateway/loop-guard.ts', make: () => ({ rules: loopGuard(200) }) },
  'a budget': { file: 'gateway/output-limit.ts', make: () => ({ rules: outputLimit(40, (text) => text.length) }) },
  'stop sequences': { file: 'gateway/stop-sequences.ts', make: () => ({ rules: stopAt(['END', '\n\n\n']) }) },
  'reasoning in tags': { file: 'gateway/reasoning-placement.ts', make: () => ({ rules: placeReasoning('tags') }) },
  'no reasoning': { file: 'gateway/reasoning-placement.ts', make: () => ({ rules: placeReasoning('strip') }) },
  'reasoning as it is': { file: 'gateway/reasoning-placement.ts', make: () => ({ rules: placeReasoning('think') }) },
  'searches that are shown': {
    file: 'gateway/web-search.ts',
    make: () => ({ rules: searchFilter(plainRequest({ search: true })) }),
  },
  'a tool that must be called': {
    file: 'gateway/tool-rules.ts',
    make: () => ({ rules: toolRules({ choice: 'required', parallel: true, mustCall: true, annotate() {} }) }),
  },
  'all rules': {
    file: 'gateway/reply-rules.ts',
    make: () => ({
      rules: replyRules(
        { upstream: anyUpstream, model: anyModel, request: plainRequest({ parallelToolCalls: false }) },
        { loopLimit: 200, countTokens: (text) => text.length, annotate() {} },
      ),
    }),
  },
  'calls of a server, and a second round': { file: 'mcp/rounds.ts', make: () => ({ wraps: twoRounds }) },
  'arguments that are checked': {
    file: 'gateway/tool-arguments.ts',
    make: () => {
      const { signal } = new AbortController()
      const checks = toolArguments({
        tools: [{ ...tool, strict: true }],
        validate: validateHere,
        signal,
        annotate() {},
      })
      return checks ? { checks } : {}
    },
  },
}

/** Each call of `look` is answered, and the model says something more then. */
function twoRounds(first: ReplyStream): ReplyStream {
  const server: McpServer = { label: 's', url: '', param: '', headers: {}, approval: 'never' }
  const offered = { server, tool: { name: 'look', inputSchema: {} }, needsApproval: false }
  const session: HostedTools = {
    completed: async (request) => request,
    tools: () => [],
    prelude: () => [],
    toolOf: (name) => (name === 'look' ? offered : undefined),
    async run({ id, arguments: args }) {
      const call: McpCall = { type: 'call', id, server: 's', tool: 'look', arguments: args, result: { output: 'seen' } }
      return { call, parts: [{ type: 'text', text: 'seen' }] }
    },
    exhausted: () => undefined,
    close() {},
  }
  const more = () =>
    replyOf([
      [
        { type: 'text', text: 'More.' },
        { type: 'finish', reason: 'stop' },
      ],
    ])
  return rounds(first, {
    hosted: session,
    request: () => plainRequest({ tools: [tool] }),
    most: 9,
    startRound: async () => ({ ...more(), transform: normaliser() }),
    annotate() {},
  })
}

export function normaliser() {
  return streamNormaliser({ newToolCallId: () => 'call_1', inputTokens: 1, countTokens: (text) => text.length })
}

const anyModel: Model = {
  id: 'm',
  upstreamId: 'm',
  createdAtSeconds: 0,
  vision: false,
  reasoning: 'on-request',
  search: true,
}
const anyUpstream: Upstream = {
  id: 'u',
  models: async () => [anyModel],
  ignored: () => [],
  check: async () => {},
  open: async () => replyOf([]),
}

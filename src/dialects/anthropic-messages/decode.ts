import type { Decoded } from '../../core/dialect.ts'
import type { RequestContext } from '../../core/dialect-route.ts'
import { type GatewayError, invalidField } from '../../core/errors.ts'
import type { OutputFormat, Reasoning } from '../../core/request.ts'
import { decodeEffort, ignoredValue } from '../openai/effort.ts'
import { manageContext } from './context-management.ts'
import { decodeConversation } from './conversation.ts'
import { readMessages } from './conversation-entries.ts'
import type { MessagesOptions } from './encode.ts'
import { ignoredOptions } from './ignored.ts'
import { mcpRequestOf } from './mcp-servers.ts'
import type { MessagesBody } from './schema.ts'
import { decodeTools } from './tools.ts'

/**
 * Decodes a Messages body. Fields of OpenAI's APIs are read, too, because programs send them.
 *
 * Errors: `invalid-request` for an empty conversation, for files by id (nothing is stored here), for a reasoning budget
 * that the official API refuses, for a summary (`compaction`), and for `thread`, after which the SDK sends the whole
 * history instead.
 */
export function decode(body: MessagesBody, { headers }: RequestContext): Decoded<MessagesOptions> {
  rejectThread(body)
  rejectSafeguards(body)
  rejectCompaction(body)
  rejectBudget(body, headers)
  const ignored = new Set<string>()
  const onIgnored = (name: string) => void ignored.add(name)
  const entries = readMessages(body.messages, onIgnored)
  if (entries.length === 0) throw invalidField('messages', 'at least one message is required.')
  const { tools, toolsets, toolChoice, parallelToolCalls, search, searchRules } = decodeTools(body, entries, onIgnored)
  const conversation = decodeConversation(body.system, entries, onIgnored)
  const mcp = mcpRequestOf(body, entries, headers)
  const edits = body.context_management?.edits
  const toolBytes = edits?.length ? Buffer.byteLength(JSON.stringify(tools)) : 0
  const { messages, appliedEdits } = manageContext(conversation, edits ?? [], { toolBytes, onIgnored })
  const reasoning = decodeReasoning(body, onIgnored)
  const thinking = displayOf(body, reasoning, onIgnored)
  for (const name of ignoredOptions(body)) onIgnored(name)
  return {
    request: {
      model: body.model,
      messages,
      tools,
      toolChoice,
      ...(mcp ? { mcp } : {}),
      parallelToolCalls,
      sampling: {
        temperature: body.temperature ?? undefined,
        topP: body.top_p ?? undefined,
        maxTokens: body.max_tokens ?? body.max_completion_tokens ?? body.max_output_tokens ?? undefined,
        stop: stopSequences(body),
      },
      reasoning,
      output: decodeOutput(body),
      search,
      searchRules,
      ignored: [...ignored],
    },
    options: {
      thinking,
      ...(hasBeta(headers, 'thinking-token-count') ? { countsHiddenReasoning: true } : {}),
      ...(toolsets.length > 0 ? { toolsets } : {}),
      ...(edits ? { appliedEdits } : {}),
    },
    stream: body.stream ?? false,
  }
}

/** An empty sequence would match everywhere, so it is left out. */
function stopSequences({ stop_sequences, stop }: MessagesBody): string[] | undefined {
  const sequences = stop_sequences ?? (typeof stop === 'string' ? [stop] : (stop ?? []))
  const nonEmpty = sequences.filter((sequence) => sequence !== '')
  return nonEmpty.length > 0 ? nonEmpty : undefined
}

/**
 * On an error with these words, Claude Code drops the field and uses separate requests for the safety check of its auto
 * mode.
 */
function rejectSafeguards({ safeguards }: MessagesBody): void {
  if (safeguards === undefined || safeguards === null) return
  throw invalidField('safeguards', 'no model here makes safety checks; send the request without them.')
}

/**
 * On an error with these words and details, the SDK drops `thread` and sends the whole history. After a plain 400 it
 * would end the session.
 */
function rejectThread({ thread }: MessagesBody): void {
  if (thread === undefined || thread === null) return
  throw invalidField('thread', 'this server keeps no threads; send the whole conversation.', {
    details: { error_code: 'thread_unsupported_request', unsupported: ['thread'] },
  })
}

/** A client that asks for a summary would take any other reply for one, and discard the conversation. */
function rejectCompaction({ compaction }: MessagesBody): void {
  if (compaction === undefined || compaction === null) return
  throw invalidField('compaction', 'this server writes no summaries; ask the model for one in a message of your own.')
}

const leastBudget = 1024

/** With `interleaved-thinking` the budget is for a whole turn, which may be longer than one reply. */
function rejectBudget({ thinking, max_tokens }: MessagesBody, headers: Headers): void {
  const budget = thinking?.type === 'enabled' ? thinking.budget_tokens : undefined
  if (budget === undefined || budget === null) return
  if (budget < leastBudget) throw badBudget(`at least ${leastBudget} tokens are expected, got ${budget}.`)
  if (max_tokens && budget >= max_tokens && !hasBeta(headers, 'interleaved-thinking'))
    throw badBudget(`${budget} tokens leave no room for an answer in the ${max_tokens} of max_tokens.`)
}

/** Beta features are named with a date at the end. */
function hasBeta(headers: Headers, feature: string): boolean {
  return headers.get('anthropic-beta')?.includes(`${feature}-2`) ?? false
}

function badBudget(reason: string): GatewayError {
  return invalidField('thinking.budget_tokens', reason)
}

const efforts = new Map<string, Reasoning['effort']>([
  ['low', 'low'],
  ['medium', 'medium'],
  ['high', 'high'],
  ['xhigh', 'max'],
  ['max', 'max'],
])

/** The default effort. Asking for it changes nothing. */
const usualEffort = 'high'

/**
 * Reasoning is off unless the client asks for it. An effort alone does not ask for it, because it applies to the whole
 * reply. By default GLM would reason, unseen by the client, and use up `max_tokens`.
 * Source: Anthropic's pages on thinking and effort; Claude Code, which sends an effort and no `thinking` for titles.
 */
function decodeReasoning(body: MessagesBody, onIgnored: (name: string) => void): Reasoning {
  const { thinking, output_config, reasoning_effort } = body
  const word = output_config?.effort
  const effort = efforts.get(word ?? '')
  if (!thinking && reasoning_effort) {
    const decoded = decodeEffort(reasoning_effort, 'reasoning_effort')
    for (const name of decoded.ignored) onIgnored(name)
    if (decoded.reasoning) return decoded.reasoning
  }
  const isOff = !thinking || isSwitchedOff(thinking.type, onIgnored)
  if (word && (effort === undefined || (isOff && word !== usualEffort)))
    onIgnored(ignoredValue('output_config.effort', word))
  if (isOff) return { mode: 'off' }
  return {
    mode: 'on', // `enabled`, `adaptive`, and future types
    effort,
    budgetTokens: thinking.budget_tokens ?? undefined,
  }
}

/** Words of other APIs are read, too. An unknown word is reported as ignored, and counts as on. */
function isSwitchedOff(type: string, onIgnored: (name: string) => void): boolean {
  if (type === 'adaptive') return false
  const { reasoning, ignored } = decodeEffort(type, 'thinking.type')
  for (const name of ignored) onIgnored(name)
  return reasoning?.mode === 'off'
}

const displays = ['summarized', 'omitted', 'updates']

/**
 * `updates` asks for an outline of the reasoning while it is written. The client gets the whole reasoning, as with any
 * unknown word.
 */
function displayOf(
  { thinking }: MessagesBody,
  { mode }: Reasoning,
  onIgnored: (name: string) => void,
): MessagesOptions['thinking'] {
  const display = thinking?.display
  if (display && !displays.includes(display)) onIgnored(ignoredValue('thinking.display', display))
  if (mode !== 'on') return 'hidden'
  return display === 'omitted' ? 'omitted' : 'shown'
}

function decodeOutput({ output_config, output_format, response_format }: MessagesBody): OutputFormat {
  const format = output_config?.format ?? output_format
  if (format?.type === 'json_schema') return { type: 'json', schema: format.schema }
  switch (format ? undefined : response_format?.type) {
    case 'json_object':
      return { type: 'json' }
    case 'json_schema': {
      const { schema, name } = response_format?.json_schema ?? {}
      return { type: 'json', schema: schema ?? undefined, name: name ?? undefined }
    }
    default:
      return { type: 'text' }
  }
}

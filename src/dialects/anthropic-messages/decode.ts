import type { Decoded, RequestContext } from '../../core/dialect.ts'
import { type GatewayError, invalidField } from '../../core/errors.ts'
import type { OutputFormat, Reasoning } from '../../core/request.ts'
import { decodeEffort, ignoredValue } from '../openai/effort.ts'
import { manageContext } from './context-management.ts'
import { decodeConversation } from './conversation.ts'
import type { MessagesOptions } from './encode.ts'
import { ignoredOptions } from './ignored.ts'
import type { MessagesBody } from './schema.ts'
import { decodeTools } from './tools.ts'
import { readTurns } from './turns.ts'

/**
 * A Messages body in our language. Words of OpenAI's APIs are taken for what they mean, because programs send them.
 *
 * Errors: `invalid-request` for an empty conversation, for files by id (nothing is stored here), for a budget of
 * thinking that the official API refuses, for a summary (`compaction`), and for `thread`, which the SDK answers by
 * sending the whole history instead.
 */
export function decode(body: MessagesBody, { headers }: RequestContext): Decoded<MessagesOptions> {
  rejectThread(body)
  rejectCompaction(body)
  rejectBudget(body, headers)
  const ignored = new Set<string>()
  const onIgnored = (name: string) => void ignored.add(name)
  const turns = readTurns(body.messages, onIgnored)
  if (turns.length === 0) throw invalidField('messages', 'at least one message is required.')
  const { tools, toolsets, toolChoice, parallelToolCalls, search, searchRules } = decodeTools(body, turns, onIgnored)
  const conversation = decodeConversation(body.system, turns, onIgnored)
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
      ...(hasBeta(headers, 'thinking-token-count') ? { countsThinking: true } : {}),
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

/** These words and details make the SDK drop `thread` and resend everything; a plain 400 is fatal to it. */
function rejectThread({ thread }: MessagesBody): void {
  if (thread === undefined || thread === null) return
  throw invalidField('thread', 'this server keeps no threads; send the whole conversation.', {
    details: { error_code: 'thread_unsupported_request', unsupported: ['thread'] },
  })
}

/** Who asks for a summary would take any other answer for one, and throw the conversation away. */
function rejectCompaction({ compaction }: MessagesBody): void {
  if (compaction === undefined || compaction === null) return
  throw invalidField('compaction', 'this server writes no summaries; ask the model for one in a message of your own.')
}

const leastBudget = 1024

/** Between calls (`interleaved-thinking`) the budget is that of a whole turn, which may be more than one answer. */
function rejectBudget({ thinking, max_tokens }: MessagesBody, headers: Headers): void {
  const budget = thinking?.type === 'enabled' ? thinking.budget_tokens : undefined
  if (budget === undefined || budget === null) return
  if (budget < leastBudget) throw badBudget(`at least ${leastBudget} tokens are expected, got ${budget}.`)
  if (max_tokens && budget >= max_tokens && !hasBeta(headers, 'interleaved-thinking'))
    throw badBudget(`${budget} tokens leave no room for an answer in the ${max_tokens} of max_tokens.`)
}

/** A feature is named with a date behind it. */
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

/** What an answer without the option has, so that asking for it asks for nothing. */
const usualEffort = 'high'

/**
 * Thinking is off unless it is asked for, which an effort alone does not do: it is about all words of an answer. GLM
 * would think by default, unseen, and at the cost of `max_tokens`.
 * Source: Anthropic's pages on thinking and effort; Claude Code, which sends an effort and no `thinking` for titles.
 */
function decodeReasoning(body: MessagesBody, onIgnored: (name: string) => void): Reasoning {
  const { thinking, output_config, reasoning_effort } = body
  const word = output_config?.effort
  const effort = efforts.get(word ?? '')
  if (!thinking && reasoning_effort) {
    const decoded = decodeEffort(reasoning_effort, 'reasoning_effort')
    for (const name of decoded.ignored) onIgnored(name)
    if (decoded.asked) return decoded.asked
  }
  const isOff = !thinking || isSwitchedOff(thinking.type, onIgnored)
  if (word && (effort === undefined || (isOff && word !== usualEffort)))
    onIgnored(ignoredValue('output_config.effort', word))
  if (isOff) return { mode: 'off' }
  return {
    mode: 'on', // `enabled`, `adaptive`, and whatever comes next
    effort,
    budgetTokens: thinking.budget_tokens ?? undefined,
  }
}

/** Words of other APIs are taken for what they mean; one that nobody knows is named, and thinks. */
function isSwitchedOff(type: string, onIgnored: (name: string) => void): boolean {
  if (type === 'adaptive') return false
  const { asked, ignored } = decodeEffort(type, 'thinking.type')
  for (const name of ignored) onIgnored(name)
  return asked?.mode === 'off'
}

const displays = ['summarized', 'omitted', 'updates']

/** `updates`, an outline of the thinking as it goes on, is all of it here, and so is a word nobody knows. */
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

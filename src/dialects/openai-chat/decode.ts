import type { Decoded } from '../../core/dialect.ts'
import { invalidField } from '../../core/errors.ts'
import type { Message, OutputFormat } from '../../core/request.ts'
import { type ConversationEntry, readEntries } from '../openai/conversation-entries.ts'
import { isFields, textOr } from '../openai/json-fields.ts'
import { decodeVerbosity } from '../openai/verbosity.ts'
import { decodeConversation } from './conversation.ts'
import type { ChatOptions } from './encode.ts'
import { ignoredOptions, isGiven } from './ignored.ts'
import { decodeReasoning } from './reasoning.ts'
import type { ChatBody, FormatBody } from './schema.ts'
import { decodeTools } from './tools.ts'

/**
 * Decodes a Chat Completions body. Programs also post bodies of Responses and of Messages here, and mixtures; all are
 * read, and fields of this API take precedence.
 *
 * Errors: `invalid-request` for an empty conversation, for more than one choice, for a choice of a tool that does not
 * run here, for references to stored data, which this API does not have, and for files in the last message that cannot
 * be read.
 */
export function decode(body: ChatBody): Decoded<ChatOptions> {
  rejectUnsupported(body)
  const { entries, path, ignoredRoles } = conversationOf(body)
  const { tools, customTools, toolChoice, parallelToolCalls, search, searchRules, ignored } = decodeTools(body)
  const offered = new Map(customTools.map(([name, own]) => [own, name]))
  const { messages, ignored: ignoredParts } = decodeConversation(entries, path, (name) => offered.get(name) ?? name)
  const thinking = decodeReasoning(body)
  const verbosity = decodeVerbosity(
    body.verbosity ?? body.text?.verbosity,
    body.verbosity ? 'verbosity' : 'text.verbosity',
  )
  const maxTokens = body.max_completion_tokens ?? body.max_tokens ?? body.max_output_tokens
  const legacyFunctions = !body.tools?.length && Boolean(body.functions?.length)
  return {
    request: {
      model: body.model,
      messages: withRule([...systemMessages(body), ...messages], verbosity.rule),
      tools,
      toolChoice,
      parallelToolCalls,
      sampling: {
        temperature: body.temperature ?? undefined,
        topP: body.top_p ?? undefined,
        maxTokens: maxTokens ?? undefined,
        stop: decodeStop(body.stop ?? body.stop_sequences),
      },
      reasoning: thinking.reasoning,
      output: decodeOutput(body.response_format ?? body.text?.format ?? body.output_config?.format),
      search,
      searchRules,
      ignored: [
        ...ignored,
        ...ignoredRoles,
        ...ignoredParts,
        ...ignoredOptions(body),
        ...thinking.ignored,
        ...verbosity.ignored,
      ],
    },
    options: {
      includeUsage: body.stream_options?.include_usage ?? false,
      legacyFunctions,
      ...(customTools.length > 0 ? { customTools } : {}),
    },
    stream: body.stream ?? false,
  }
}

function rejectUnsupported(body: ChatBody): void {
  // A text as `prompt` is that of Completions, and no reference.
  for (const field of ['previous_response_id', 'conversation', 'prompt'] as const)
    if (isFields(body[field]) || (field !== 'prompt' && textOr(body[field]) !== ''))
      throw invalidField(
        field,
        'this API keeps nothing between requests; send the whole conversation, or use /v1/responses.',
      )
  if ((body.n ?? 1) > 1) throw invalidField('n', 'this server gives one choice a request.')
  if (body.tool_choice === 'required' && !body.tools?.length && !body.functions?.length)
    throw invalidField('tool_choice', "'tool_choice' is only allowed when 'tools' are specified.")
}

interface Conversation {
  entries: ConversationEntry[]
  /** The field that holds the conversation. */
  path: string
  ignoredRoles: string[]
}

/** `input` is the name in Responses. */
function conversationOf({ messages, input }: ChatBody): Conversation {
  const path = isGiven(messages) || input === undefined || input === null ? 'messages' : 'input'
  const ignoredRoles: string[] = []
  const entries = readEntries(path === 'messages' ? messages : input, path, (name) => ignoredRoles.push(name))
  if (entries.length === 0) throw invalidField(path, 'at least one message is required.')
  return { entries, path, ignoredRoles }
}

/** The system prompt, which Responses and Messages have outside of the conversation. */
function systemMessages({ instructions, system }: ChatBody): Message[] {
  if (!instructions && !system) return []
  const systems = system ? [{ fields: { role: 'system', content: system }, index: 0 }] : []
  const { messages } = decodeConversation(systems, 'system', (name) => name)
  return [...(instructions ? [{ role: 'system' as const, text: instructions }] : []), ...messages]
}

/** Follows the system prompt, which thereby stays the same in every turn. */
function withRule(messages: readonly Message[], rule: string | undefined): readonly Message[] {
  if (rule === undefined) return messages
  const [first, ...rest] = messages
  if (first?.role !== 'system') return [{ role: 'system', text: rule }, ...messages]
  return [{ role: 'system', text: `${first.text}\n\n${rule}` }, ...rest]
}

function decodeStop(stop: ChatBody['stop']): string[] | undefined {
  const sequences = (typeof stop === 'string' ? [stop] : (stop ?? [])).filter((sequence) => sequence !== '')
  return sequences.length === 0 ? undefined : sequences
}

function decodeOutput(format: FormatBody | null | undefined): OutputFormat {
  switch (format?.type) {
    case undefined:
    case 'text':
      return { type: 'text' }
    case 'json_object':
      return { type: 'json', schema: format.schema ?? undefined }
    case 'json_schema': {
      const { schema, name, description } = format.json_schema ?? ('schema' in format ? format : {})
      return {
        type: 'json',
        schema: schema ?? undefined,
        name: name ?? undefined,
        description: description || undefined,
      }
    }
    default:
      return format satisfies never
  }
}

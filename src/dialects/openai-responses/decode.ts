import type { Decoded } from '../../core/dialect.ts'
import {
  type AssistantPart,
  type Message,
  type OutputFormat,
  type SearchRules,
  type Tool,
  type ToolChoice,
  textOf,
  type UserPart,
} from '../../core/request.ts'
import { unavailableChoice } from '../../core/tool-choice.ts'
import { decodeEffort } from '../openai/effort.ts'
import { invalid, patchOutput, shellOutput, spokenParts, text, userParts } from './content.ts'
import { echoOf, summaryOf } from './echo.ts'
import type { ResponsesOptions } from './encode.ts'
import { reasoningOf } from './items.ts'
import { type LoweredTool, loweredName, lowerTools, type ToolOrigin } from './lowering.ts'
import {
  type ItemBody,
  isClientTool,
  isKnownItem,
  type KnownItem,
  type MessageItem,
  type ResponsesBody,
  type ToolBody,
} from './schema.ts'

/**
 * A Responses body in our language. What it refers to (`previous_response_id`, `item_reference`) has been put in its
 * place before, by `recall`.
 *
 * Errors: `invalid-request` for an empty conversation, for what only a server with a memory of more than replies
 * could do (`background`, `conversation`, `prompt`, files by id, compaction), for references left over, for a choice of a tool
 * that does not run here, and for images that are neither http(s) nor base64 data URLs.
 */
export function decode(checked: unknown): Decoded<ResponsesOptions> {
  const body = checked as ResponsesBody // the door has checked it against the schema
  refuse(body)
  const items = itemsOf(body.input)
  const tools = [...(body.tools ?? []), ...toolsIn(items)]
  const lowered = lowerTools(tools.filter(isClientTool))
  const isAllowed = allowance(body.tool_choice)
  const { messages, unheard } = decodeItems(items, lowered)
  const searchRules = decodeSearchRules(body.tool_choice, tools)
  const effort = decodeEffort(body.reasoning?.effort, 'reasoning.effort')
  const system = body.instructions ? [{ role: 'system' as const, text: body.instructions }] : []
  if (messages.length + system.length === 0) throw invalid('input', 'at least one message is required.')
  return {
    request: {
      model: body.model,
      messages: [...system, ...messages],
      tools: lowered.flatMap(({ tool, origin }): Tool[] => (isAllowed(origin) ? [tool] : [])),
      // Nothing else is to be called.
      toolChoice: searchRules?.chosen ? 'none' : decodeToolChoice(body.tool_choice, lowered),
      parallelToolCalls: body.parallel_tool_calls ?? true,
      sampling: {
        temperature: body.temperature ?? undefined,
        topP: body.top_p ?? undefined,
        maxTokens: body.max_output_tokens ?? undefined,
      },
      reasoning: effort.asked ?? { mode: 'default' },
      output: decodeOutput(body.text?.format),
      search: tools.some((tool) => isWebSearch(tool) && isAllowed(tool)),
      searchRules,
      unsupported: [...unsupportedTools(tools), ...unheard, ...unsupportedOptions(body), ...effort.ignored],
    },
    options: {
      echo: echoOf(body),
      origins: lowered.map(({ tool, origin }) => [tool.name, origin]),
      summarises: summaryOf(body) !== null,
      listsSources: body.include?.includes('web_search_call.action.sources') ?? false,
      sealsReasoning: body.include?.includes('reasoning.encrypted_content') ?? false,
      input: items,
    },
    stream: body.stream ?? false,
  }
}

function refuse(body: ResponsesBody): void {
  if (body.background) throw invalid('background', 'this server answers while the client waits.')
  if (isGiven(body.conversation))
    throw invalid('conversation', 'no conversations are kept here; continue with previous_response_id.')
  if (isGiven(body.prompt)) throw invalid('prompt', 'no templates are kept here; send instructions and input.')
}

/** A string is one user message. */
export function itemsOf(input: ResponsesBody['input']): ItemBody[] {
  return typeof input === 'string' ? [{ role: 'user', content: input }] : (input ?? [])
}

/** Tools that came up on the way: found by the client's search, or added by its developer. */
function toolsIn(items: ItemBody[]): ToolBody[] {
  return items
    .filter(isKnownItem)
    .flatMap((item) => (item.type === 'tool_search_output' || item.type === 'additional_tools' ? item.tools : []))
}

function decodeItems(items: ItemBody[], lowered: LoweredTool[]): { messages: Message[]; unheard: string[] } {
  const messages: Message[] = []
  const unheard: string[] = []
  // OpenAI's local_shell_call_output names the item of the call instead of the call.
  const callIds = new Map<string, string>()

  for (const [index, item] of items.entries()) {
    if (isKnownItem(item)) decodeItem(item, `input.${index}`)
    else unheard.push(`input.${index} (${item.type})`)
  }
  return { messages, unheard }

  function decodeItem(item: KnownItem, path: string): void {
    switch (item.type) {
      case undefined:
      case null:
      case 'message':
        hear(item, `${path}.content`)
        return
      case 'reasoning': {
        const text = reasoningOf(item)
        if (text !== '') say({ type: 'reasoning', text })
        return
      }
      case 'function_call':
        call(item.call_id, nameOf('function', item), item.arguments || '{}')
        return
      case 'custom_tool_call':
        call(item.call_id, nameOf('custom', item), JSON.stringify({ input: item.input }))
        return
      case 'local_shell_call': {
        const { command, env, timeout_ms, working_directory } = item.action
        const id = item.call_id ?? item.id ?? path
        if (item.id) callIds.set(item.id, id)
        const args = {
          command,
          workdir: working_directory ?? undefined,
          timeout_ms: timeout_ms ?? undefined,
          env: env && Object.keys(env).length > 0 ? env : undefined,
        }
        call(id, nameOf('local_shell'), JSON.stringify(args))
        return
      }
      case 'shell_call': {
        const { commands, timeout_ms, max_output_length } = item.action
        const args = {
          commands,
          timeout_ms: timeout_ms ?? undefined,
          max_output_length: max_output_length ?? undefined,
        }
        call(item.call_id, nameOf('shell'), JSON.stringify(args))
        return
      }
      case 'apply_patch_call': {
        const { type, path, diff } = item.operation
        call(item.call_id, nameOf('apply_patch'), JSON.stringify({ type, path, diff: diff ?? undefined }))
        return
      }
      case 'tool_search_call':
        call(item.call_id ?? item.id ?? path, nameOf('tool_search'), JSON.stringify(item.arguments ?? {}))
        return
      case 'function_call_output':
      case 'custom_tool_call_output':
        answer(item.call_id, userParts(item.output, `${path}.output`, unheard))
        return
      case 'local_shell_call_output': {
        const id = item.call_id ?? item.id ?? ''
        answer(callIds.get(id) ?? id, userParts(item.output, `${path}.output`, unheard))
        return
      }
      case 'shell_call_output':
        answer(item.call_id, text(shellOutput(item)))
        return
      case 'apply_patch_call_output':
        answer(item.call_id, text(patchOutput(item)), item.status === 'failed')
        return
      case 'tool_search_output': {
        const found = lowerTools(item.tools.filter(isClientTool)).map(({ origin }) => loweredName(origin, lowered))
        answer(item.call_id ?? item.id ?? path, text(`Tools available now: ${found.join(', ') || 'none'}.`))
        return
      }
      case 'web_search_call':
        say(...text(`<web_search_call>\n${JSON.stringify(item.action ?? {})}\n</web_search_call>`))
        return
      case 'additional_tools':
        return // they are among the tools
      case 'item_reference':
        throw invalid(`${path}.id`, `the item ${JSON.stringify(item.id)} is not stored here; send the item itself.`)
      case 'compaction_trigger':
        throw invalid(path, 'conversations are not compacted here; send a summary in their place.')
      default:
        item satisfies never
    }
  }

  function hear({ role, content }: MessageItem, path: string): void {
    switch (role) {
      case 'system':
      case 'developer': {
        const parts = spokenParts(content)
        if (parts.length > 0) messages.push({ role: 'system', text: textOf(parts) })
        return
      }
      case 'user':
        messages.push({ role: 'user', parts: userParts(content, path, unheard) })
        return
      case 'assistant':
        say(...spokenParts(content))
        return
      default:
        role satisfies never
    }
  }

  /** One turn of the assistant comes as many items. */
  function say(...parts: AssistantPart[]): void {
    const last = messages.at(-1)
    if (last?.role === 'assistant') last.parts.push(...parts)
    else if (parts.length > 0) messages.push({ role: 'assistant', parts })
  }

  function call(id: string, name: string, args: string): void {
    say({ type: 'tool-call', id, name, arguments: args })
  }

  function answer(callId: string, parts: UserPart[], isError = false): void {
    messages.push({ role: 'tool', callId, parts, isError })
  }

  function nameOf(type: ToolOrigin['type'], called: { name?: string; namespace?: string | null } = {}): string {
    return loweredName({ type, name: called.name, namespace: called.namespace }, lowered)
  }
}

function allowance(
  choice: ResponsesBody['tool_choice'],
): (tool: { type: string; name?: string; namespace?: string }) => boolean {
  if (!choice || typeof choice === 'string' || !isAllowance(choice)) return () => true
  return (tool) =>
    choice.tools.some(({ type, name }) => {
      if (isWebSearch(tool)) return isWebSearch({ type })
      if (type === 'namespace') return tool.namespace === name
      return type === tool.type && (name ?? undefined) === tool.name
    })
}

function decodeToolChoice(choice: ResponsesBody['tool_choice'], lowered: LoweredTool[]): ToolChoice {
  if (!choice) return 'auto'
  if (typeof choice === 'string') return choice
  if (isAllowance(choice)) return choice.mode
  if ('name' in choice && isNameable(choice.type)) return { name: loweredName(choice, lowered) }
  const named = lowered.find(({ origin }) => origin.type === choice.type)
  if (named) return { name: named.tool.name }
  throw unavailableChoice(choice.type)
}

type NamedChoice = Exclude<NonNullable<ResponsesBody['tool_choice']>, string>

/** Choices of other types may bring a `mode` too, and nobody has looked at it. */
function isAllowance(choice: NamedChoice): choice is Extract<NamedChoice, { mode: unknown }> {
  return choice.type === 'allowed_tools'
}

/** Tools OpenAI runs itself have names of their own, which nothing here answers to. */
function isNameable(type: string): boolean {
  return type === 'function' || type === 'custom'
}

function decodeOutput(format: NonNullable<ResponsesBody['text']>['format']): OutputFormat {
  switch (format?.type) {
    case undefined:
    case 'text':
      return { type: 'text' }
    case 'json_object':
      return { type: 'json' }
    case 'json_schema':
      return { type: 'json', schema: format.schema ?? undefined, name: format.name ?? undefined }
    default:
      return format satisfies never
  }
}

function isWebSearch({ type }: { type: string }): boolean {
  return type.startsWith('web_search')
}

function decodeSearchRules(choice: ResponsesBody['tool_choice'], tools: ToolBody[]): SearchRules | undefined {
  const tool = tools.find(isWebSearch)
  if (!tool || isClientTool(tool)) return undefined
  return {
    chosen: typeof choice === 'object' && choice !== null && 'type' in choice && isWebSearch(choice),
    allowedDomains: tool.filters?.allowed_domains ?? undefined,
    blockedDomains: tool.filters?.blocked_domains ?? undefined,
  }
}

function unsupportedTools(tools: ToolBody[]): string[] {
  return tools.flatMap((tool, index) => {
    if (isClientTool(tool)) return []
    return isWebSearch(tool) ? [] : [`tools.${index} (${tool.type})`]
  })
}

/** A value that changes nothing (`top_logprobs` 0, `truncation` disabled) asks for nothing. */
function unsupportedOptions(body: ResponsesBody): string[] {
  const asks = {
    max_tool_calls: typeof body.max_tool_calls === 'number',
    top_logprobs: body.top_logprobs,
    'include (message.output_text.logprobs)': body.include?.includes('message.output_text.logprobs'),
    truncation: body.truncation === 'auto',
    context_management: body.context_management?.length,
    moderation: isGiven(body.moderation),
  }
  return Object.entries(asks).flatMap(([name, asked]) => (asked ? [name] : []))
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

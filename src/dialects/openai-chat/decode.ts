import type { Decoded } from '../../core/dialect.ts'
import { GatewayError } from '../../core/errors.ts'
import {
  type AssistantPart,
  type Message,
  type OutputFormat,
  type Reasoning,
  type SearchRules,
  type TextPart,
  type Tool,
  type ToolChoice,
  textOf,
  type UserPart,
} from '../../core/request.ts'
import { bytesOf, dataOf } from '../openai/data-url.ts'
import { decodeEffort } from '../openai/effort.ts'
import type { ChatOptions } from './encode.ts'
import type {
  AssistantBody,
  ChatBody,
  FilePart,
  FunctionDefinition,
  FunctionTool,
  MessageBody,
  TextContent,
  ToolBody,
  UserContent,
} from './schema.ts'

/**
 * A Chat Completions body in our language.
 *
 * Errors: `invalid-request` for an empty conversation, for more than one choice, for a call that must come where no
 * tool is offered, for files by id (nothing is stored here) and for images that are neither
 * http(s) nor base64 data URLs.
 */
export function decode(checked: unknown): Decoded<ChatOptions> {
  const body = checked as ChatBody // the door has checked it against the schema
  if (body.messages.length === 0) throw invalid('messages', 'at least one message is required.')
  if ((body.n ?? 1) > 1) throw invalid('n', 'this server gives one choice a request.')
  const tools = body.tools ?? []
  const toolChoice = decodeToolChoice(body)
  if (toolChoice === 'required' && tools.length === 0 && !body.functions?.length)
    throw invalid('tool_choice', "'tool_choice' is only allowed when 'tools' are specified.")
  const legacyFunctions = tools.length === 0 && Boolean(body.functions?.length)
  const { messages, unheard } = decodeMessages(body.messages)
  const { reasoning, ignored } = decodeReasoning(body)
  const maxTokens = body.max_completion_tokens ?? body.max_tokens
  return {
    request: {
      model: body.model,
      messages,
      tools: decodeTools(body),
      toolChoice,
      parallelToolCalls: !legacyFunctions && (body.parallel_tool_calls ?? true),
      sampling: {
        temperature: body.temperature ?? undefined,
        topP: body.top_p ?? undefined,
        maxTokens: maxTokens ?? undefined,
        stop: decodeStop(body.stop),
      },
      reasoning,
      output: decodeOutput(body.response_format),
      search: Boolean(body.web_search_options) || tools.some(isWebSearch),
      searchRules: decodeSearchRules(body),
      unsupported: [...unsupportedTools(tools), ...unheard, ...unsupportedOptions(body), ...ignored],
    },
    options: { includeUsage: body.stream_options?.include_usage ?? false, legacyFunctions },
    stream: body.stream ?? false,
  }
}

function decodeMessages(bodies: MessageBody[]): { messages: Message[]; unheard: string[] } {
  const unheard: string[] = []
  // Legacy functions know no ids: a result belongs to the call before it.
  let functionCallId = ''
  const messages = bodies.flatMap((message, index): Message[] => {
    const path = `messages.${index}`
    switch (message.role) {
      case 'system':
      case 'developer':
        return systemMessage(message.content)
      case 'user':
        return [{ role: 'user', parts: userParts(message.content, `${path}.content`, unheard) }]
      case 'assistant': {
        functionCallId = `call_${index}`
        const parts = assistantParts(message, functionCallId)
        return parts.length === 0 ? [] : [{ role: 'assistant', parts }]
      }
      case 'tool': {
        const parts = userParts(message.content, `${path}.content`, unheard)
        return [{ role: 'tool', callId: message.tool_call_id, parts, isError: false }]
      }
      case 'function':
        return [{ role: 'tool', callId: functionCallId, parts: textParts(message.content), isError: false }]
      default:
        return message satisfies never
    }
  })
  return { messages, unheard }
}

/** Claude Code's first block, changed with every request: routers pass it on, and it would defeat prompt caches. */
const billingHeader = 'x-anthropic-billing-header:'

function systemMessage(content: TextContent): Message[] {
  const parts = textParts(content).filter((part) => !part.text.startsWith(billingHeader))
  return parts.length === 0 ? [] : [{ role: 'system', text: textOf(parts) }]
}

function textParts(content: TextContent): TextPart[] {
  if (content === null || typeof content === 'string') return text(content)
  return content.flatMap((part) => text(part.text))
}

function userParts(content: UserContent, path: string, unheard: string[]): UserPart[] {
  if (content === null || typeof content === 'string') return text(content)
  return content.flatMap((part, index): UserPart[] => {
    const at = `${path}.${index}`
    switch (part.type) {
      case 'text':
        return text(part.text)
      case 'image_url': {
        const { image_url } = part
        return typeof image_url === 'string'
          ? [imagePart(image_url, `${at}.image_url`)]
          : [imagePart(image_url.url, `${at}.image_url.url`)]
      }
      case 'file':
        return filePart(part, `${at}.file`)
      case 'input_audio':
        // Left out in silence, the model would invent what was said.
        unheard.push(`${at} (input_audio)`)
        return text('[Audio was attached here; it cannot be heard.]')
      default:
        return part satisfies never
    }
  })
}

function imagePart(url: string, param: string): UserPart {
  const source = dataOf(url)
  if (source) return { type: 'image', source }
  if (/^https?:\/\//i.test(url)) return { type: 'image', source: { type: 'url', url } }
  throw invalid(param, 'expected an http(s) URL or a base64 data URL.')
}

function filePart({ file }: FilePart, path: string): UserPart[] {
  if (!file.file_data) throw invalid(`${path}.file_data`, 'files by id are not stored here; send the content.')
  const source = dataOf(file.file_data)
  if (!source) throw invalid(`${path}.file_data`, 'expected a base64 data URL.')
  const title = file.filename ?? undefined
  if (!source.mediaType.startsWith('text/')) return [{ type: 'document', title, source }]
  const bytes = bytesOf(source.data)
  if (!bytes) throw invalid(`${path}.file_data`, 'the base64 data is broken.')
  const content = new TextDecoder().decode(bytes)
  return text(`<document${title ? ` title="${title.replaceAll('"', '&quot;')}"` : ''}>\n${content}\n</document>`)
}

function assistantParts(message: AssistantBody, functionCallId: string): AssistantPart[] {
  const reasoning = message.reasoning_content ?? message.reasoning
  return [
    ...(typeof reasoning === 'string' && reasoning !== '' ? [{ type: 'reasoning' as const, text: reasoning }] : []),
    ...spokenParts(message.content),
    ...text(message.refusal),
    ...(message.tool_calls ?? []).map((call) =>
      isCustom(call)
        ? toolCall(call.id, { name: call.custom.name, arguments: JSON.stringify({ input: call.custom.input }) })
        : toolCall(call.id, call.function),
    ),
    ...(message.function_call ? [toolCall(functionCallId, message.function_call)] : []),
  ]
}

type CallBody = NonNullable<AssistantBody['tool_calls']>[number]

function isCustom(call: CallBody): call is Extract<CallBody, { custom: unknown }> {
  return call.type === 'custom'
}

function spokenParts(content: AssistantBody['content']): TextPart[] {
  if (!Array.isArray(content)) return text(content)
  return content.flatMap((part) => text(part.type === 'text' ? part.text : part.refusal))
}

function toolCall(id: string, called: { name: string; arguments?: string | null }): AssistantPart {
  return { type: 'tool-call', id, name: called.name, arguments: called.arguments || '{}' }
}

function decodeTools({ tools, functions, tool_choice }: ChatBody): Tool[] {
  const definitions = tools?.length ? tools.filter(isFunction).map((tool) => tool.function) : (functions ?? [])
  const allowed = allowedTools(tool_choice)
  const offered = allowed ? definitions.filter(({ name }) => allowed.names.has(name)) : definitions
  return offered.map(decodeTool)
}

function decodeTool({ name, description, parameters, strict }: FunctionDefinition): Tool {
  return {
    name,
    description: description ?? '',
    // Left out, they mean a function without arguments.
    parameters: parameters ?? { type: 'object', properties: {} },
    strict: strict || undefined,
  }
}

function isFunction(tool: ToolBody): tool is FunctionTool {
  return tool.type === undefined || tool.type === 'function'
}

/** Z.AI's own spelling is `web_search`; OpenAI's Responses tool has a suffix. */
function isWebSearch(tool: { type?: string }): boolean {
  return tool.type?.startsWith('web_search') ?? false
}

/** Agents send a hosted tool along with every request; an option of its own is asked for where it is wanted. */
function decodeSearchRules({ web_search_options, tool_choice }: ChatBody): SearchRules | undefined {
  const isNamed = typeof tool_choice === 'object' && tool_choice !== null && isWebSearch(tool_choice)
  return web_search_options || isNamed ? { chosen: true } : undefined
}

function allowedTools(choice: ChatBody['tool_choice']) {
  if (!choice || typeof choice === 'string' || choice.type !== 'allowed_tools') return undefined
  const { mode, tools } = choice.allowed_tools
  return { mode, names: new Set(tools.map((tool) => tool.function.name)) }
}

function decodeToolChoice({ tool_choice, function_call }: ChatBody): ToolChoice {
  const choice = tool_choice ?? function_call ?? 'auto'
  if (typeof choice === 'string') return choice
  // The old form knows nothing but a name.
  if (!tool_choice || !('type' in choice)) return 'name' in choice ? { name: choice.name } : 'auto'
  switch (choice.type) {
    case 'function':
      return { name: choice.function.name }
    case 'custom':
      return { name: choice.custom.name }
    case 'allowed_tools':
      return choice.allowed_tools.mode
    case 'web_search':
    case 'web_search_preview':
      return 'none' // nothing else is to be called
    default:
      return choice satisfies never
  }
}

function decodeStop(stop: ChatBody['stop']): string[] | undefined {
  const sequences = (typeof stop === 'string' ? [stop] : (stop ?? [])).filter((sequence) => sequence !== '')
  return sequences.length === 0 ? undefined : sequences
}

/** Many spellings, one switch: a plain yes or no outweighs an effort, which is a yes of its own (`none` a no). */
function decodeReasoning(body: ChatBody): { reasoning: Reasoning; ignored: string[] } {
  const { thinking, reasoning } = body
  const asked =
    (thinking ? thinking.type !== 'disabled' : undefined) ??
    body.enable_thinking ??
    body.chat_template_kwargs?.enable_thinking ??
    reasoning?.enabled ??
    undefined
  const efforts = [
    decodeEffort(body.reasoning_effort, 'reasoning_effort'),
    decodeEffort(reasoning?.effort, 'reasoning.effort'),
  ]
  const told = efforts.find((effort) => effort.asked)?.asked
  const ignored = efforts.flatMap((effort) => effort.ignored)
  if (asked === false || (asked === undefined && told?.mode === 'off')) return { reasoning: { mode: 'off' }, ignored }
  const mode = asked ? 'on' : (told?.mode ?? 'default')
  const budgetTokens = thinking?.budget_tokens ?? reasoning?.max_tokens ?? undefined
  return { reasoning: { mode, effort: told?.effort, budgetTokens }, ignored }
}

function decodeOutput(format: ChatBody['response_format']): OutputFormat {
  switch (format?.type) {
    case undefined:
    case 'text':
      return { type: 'text' }
    case 'json_object':
      return { type: 'json' }
    case 'json_schema': {
      const { schema, name } = format.json_schema
      return { type: 'json', schema: schema ?? undefined, name: name ?? undefined }
    }
    default:
      return format satisfies never
  }
}

function unsupportedTools(tools: ToolBody[]): string[] {
  return tools.flatMap((tool, index) =>
    isFunction(tool) || isWebSearch(tool) ? [] : [`tools.${index} (${tool.type})`],
  )
}

/** A value that changes nothing (penalty 0, logprobs false) asks for nothing. */
function unsupportedOptions(body: ChatBody): string[] {
  return optionsBeyond.filter(([, asks]) => asks(body)).map(([name]) => name)
}

const optionsBeyond: readonly [name: string, asks: (body: ChatBody) => unknown][] = [
  ['seed', ({ seed }) => typeof seed === 'number'],
  ['logprobs', ({ logprobs }) => logprobs],
  ['top_logprobs', ({ top_logprobs }) => top_logprobs],
  ['logit_bias', ({ logit_bias }) => logit_bias && Object.keys(logit_bias).length > 0],
  ['frequency_penalty', ({ frequency_penalty }) => frequency_penalty],
  ['presence_penalty', ({ presence_penalty }) => presence_penalty],
  ['audio', ({ audio }) => audio],
  ['modalities', ({ modalities }) => modalities?.some((modality) => modality !== 'text')],
  ['prediction', ({ prediction }) => prediction],
  ['store', ({ store }) => store],
  ['service_tier', ({ service_tier }) => service_tier && !['auto', 'default'].includes(service_tier)],
  ['verbosity', ({ verbosity }) => verbosity],
]

function text(value: string | null | undefined): TextPart[] {
  return value ? [{ type: 'text', text: value }] : []
}

function invalid(param: string, reason: string): GatewayError {
  return new GatewayError('invalid-request', `${param}: ${reason}`, { param })
}

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
import { isOwnSignature, type MessagesOptions } from './encode.ts'
import type {
  AssistantBlock,
  CustomTool,
  DocumentBlock,
  ImageBlock,
  MessageBody,
  MessagesBody,
  ResultBlock,
  ServerTool,
  SystemContent,
  ToolBody,
  UserBlock,
} from './schema.ts'

/**
 * A Messages body in our language.
 *
 * Errors: `invalid-request` for an empty conversation, for files by id (nothing is stored here), and for `thread`,
 * which the SDK answers by sending the whole history instead.
 */
export function decode(checked: unknown): Decoded<MessagesOptions> {
  const body = checked as MessagesBody // the door has checked it against the schema
  refuseThread(body)
  if (body.messages.length === 0)
    throw new GatewayError('invalid-request', 'messages: at least one message is required.', { param: 'messages' })
  const reasoning = decodeReasoning(body)
  const tools = body.tools ?? []
  return {
    request: {
      model: body.model,
      messages: [...systemMessage(body.system ?? ''), ...body.messages.flatMap(decodeMessage)],
      tools: decodeTools(tools, toolsInUse(body.messages)),
      toolChoice: isSearchChosen(body) ? 'none' : decodeToolChoice(body.tool_choice),
      parallelToolCalls: !disablesParallel(body.tool_choice),
      sampling: {
        temperature: body.temperature ?? undefined,
        topP: body.top_p ?? undefined,
        maxTokens: body.max_tokens ?? undefined,
        stop: stopSequences(body.stop_sequences ?? []),
      },
      reasoning,
      output: decodeOutput(body),
      search: tools.some(isWebSearch),
      searchRules: decodeSearchRules(body),
      unsupported: unsupported(body),
    },
    options: { thinking: displayOf(body, reasoning) },
    stream: body.stream ?? false,
  }
}

/** An empty sequence stands everywhere and means nothing. */
function stopSequences(sequences: string[]): string[] | undefined {
  const told = sequences.filter((sequence) => sequence !== '')
  return told.length > 0 ? told : undefined
}

/** These words and details make SDK 1.12 drop `thread` and resend everything; a plain 400 is fatal to it. */
function refuseThread(body: MessagesBody): void {
  if (body.thread === undefined || body.thread === null) return
  throw new GatewayError('invalid-request', 'thread: this server keeps no threads; send the whole conversation.', {
    param: 'thread',
    details: { error_code: 'thread_unsupported_request', unsupported: ['thread'] },
  })
}

/** Changes with every request of Claude Code, and would defeat the upstream's prompt cache. */
const billingHeader = 'x-anthropic-billing-header:'

function systemMessage(content: SystemContent): Message[] {
  const blocks = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content
  const parts = blocks.flatMap((block): TextPart[] => {
    switch (block.type) {
      case 'text':
        return block.text.startsWith(billingHeader) ? [] : text(block.text)
      case 'tool_addition':
        return block.tool.name === undefined ? [] : text(availableNow(block.tool.name))
      case 'tool_removal':
        return block.tool.name === undefined ? [] : text(`Tool ${block.tool.name} is no longer available.`)
      default:
        return block satisfies never
    }
  })
  return parts.length === 0 ? [] : [{ role: 'system', text: textOf(parts) }]
}

function decodeMessage(message: MessageBody, index: number): Message[] {
  const path = `messages.${index}.content`
  switch (message.role) {
    case 'system':
      return systemMessage(message.content)
    case 'user':
      return userMessages(message.content, path)
    case 'assistant': {
      const { content } = message
      const parts = typeof content === 'string' ? text(content) : content.flatMap(assistantParts)
      // Nothing but another model's thinking: no turn is left to tell.
      return parts.length === 0 ? [] : [{ role: 'assistant', parts }]
    }
    default:
      return message satisfies never
  }
}

/** One user turn answers all parallel calls: each result is a message of its own, the rest follows them. */
function userMessages(content: string | UserBlock[], path: string): Message[] {
  if (typeof content === 'string') return [{ role: 'user', parts: text(content) }]
  const results: Message[] = []
  const parts: UserPart[] = []
  for (const [index, block] of content.entries()) {
    const at = `${path}.${index}`
    if (block.type !== 'tool_result') {
      parts.push(...userParts(block, at))
      continue
    }
    const { content: result } = block
    results.push({
      role: 'tool',
      callId: block.tool_use_id,
      parts:
        typeof result === 'string'
          ? text(result)
          : (result ?? []).flatMap((part, n) => userParts(part, `${at}.content.${n}`)),
      isError: block.is_error ?? false,
    })
  }
  return parts.length > 0 || results.length === 0 ? [...results, { role: 'user', parts }] : results
}

function userParts(block: Exclude<UserBlock, { type: 'tool_result' }> | ResultBlock, path: string): UserPart[] {
  switch (block.type) {
    case 'text':
      return text(block.text)
    case 'image':
      return [imagePart(block, path)]
    case 'document':
      return documentParts(block, path)
    case 'search_result':
      return text(tagged('search_result', { title: block.title, source: block.source }, textOf(block.content)))
    case 'tool_reference':
      return text(availableNow(block.tool_name))
    default:
      return block satisfies never
  }
}

function imagePart({ source }: ImageBlock, path: string): UserPart {
  switch (source.type) {
    case 'base64':
      return { type: 'image', source: { type: 'base64', mediaType: source.media_type, data: source.data } }
    case 'url':
      return { type: 'image', source: { type: 'url', url: source.url } }
    case 'file':
      throw storedFile(path)
    default:
      return source satisfies never
  }
}

function documentParts({ source, title, context }: DocumentBlock, path: string): UserPart[] {
  const document = { type: 'document' as const, title: title ?? undefined }
  const asText = (inner: string) => text(tagged('document', { title, context }, inner))
  switch (source.type) {
    case 'base64':
      return [{ ...document, source: { type: 'base64', mediaType: source.media_type, data: source.data } }]
    case 'url':
      return [{ ...document, source: { type: 'url', url: source.url } }]
    case 'text':
      return asText(source.data)
    case 'content': {
      const { content } = source
      if (typeof content === 'string') return asText(content)
      const images = content.flatMap((block, n) =>
        block.type === 'image' ? [imagePart(block, `${path}.source.content.${n}`)] : [],
      )
      return [...asText(textOf(content)), ...images]
    }
    case 'file':
      throw storedFile(path)
    default:
      return source satisfies never
  }
}

function assistantParts(block: AssistantBlock): AssistantPart[] {
  switch (block.type) {
    case 'text':
      return text(block.text)
    case 'thinking':
      return isOwnSignature(block.signature) && block.thinking !== ''
        ? [{ type: 'reasoning', text: block.thinking }]
        : []
    case 'redacted_thinking':
      return [] // sealed by another server
    case 'tool_use':
      return [{ type: 'tool-call', id: block.id, name: block.name, arguments: JSON.stringify(block.input ?? {}) }]
    case 'server_tool_use':
      return text(tagged('server_tool_use', { name: block.name }, JSON.stringify(block.input ?? {})))
    case 'web_search_tool_result': {
      const { content } = block
      const lines = Array.isArray(content)
        ? content.map((page) => `- ${page.title ?? page.url}: ${page.url}`).join('\n')
        : `error: ${content.error_code}`
      return text(tagged(block.type, {}, lines))
    }
    case 'web_fetch_tool_result':
    case 'code_execution_tool_result':
    case 'bash_code_execution_tool_result':
    case 'text_editor_code_execution_tool_result':
    case 'tool_search_tool_result':
    case 'mcp_tool_use':
    case 'mcp_tool_result':
    case 'advisor_tool_result':
    case 'container_upload':
    case 'compaction':
      return text(tagged(block.type, {}, JSON.stringify(block.content ?? block.input ?? {})))
    default:
      return block satisfies never
  }
}

/** Names a deferred tool must be among: those a search has found or a system message has added, and none has removed. */
function toolsInUse(messages: MessageBody[]): Set<string> {
  const names = new Set<string>()
  for (const { content } of messages) {
    if (typeof content === 'string') continue
    for (const block of content) {
      if (block.type === 'tool_result' && Array.isArray(block.content)) {
        for (const part of block.content) if (part.type === 'tool_reference') names.add(part.tool_name)
      }
      if (block.type === 'tool_addition' && block.tool.name !== undefined) names.add(block.tool.name)
      if (block.type === 'tool_removal' && block.tool.name !== undefined) names.delete(block.tool.name)
    }
  }
  return names
}

/** Claude Code keeps this one in the list so that deferral stays switched on; it is not for calling. */
const placeholderTool = 'DeferredToolPlaceholder'

function decodeTools(tools: ToolBody[], inUse: Set<string>): Tool[] {
  // The server's own tool search cannot run here, so what it would have found is offered outright.
  const defers = !tools.some((tool) => tool.type?.startsWith('tool_search_tool_'))
  return tools.filter(isCustom).flatMap((tool) => {
    if (tool.name === placeholderTool || (defers && tool.defer_loading && !inUse.has(tool.name))) return []
    const { name, description, input_schema: parameters, strict } = tool
    return [{ name, description: description ?? '', parameters, strict: strict || undefined }]
  })
}

function isCustom(tool: ToolBody): tool is CustomTool {
  return tool.type === undefined || tool.type === null || tool.type === 'custom'
}

function isWebSearch(tool: ToolBody): boolean {
  return tool.type?.startsWith('web_search_') ?? false
}

function searchTool({ tools }: MessagesBody): ServerTool | undefined {
  return tools?.filter((tool): tool is ServerTool => !isCustom(tool)).find(isWebSearch)
}

function isSearchChosen(body: MessagesBody): boolean {
  return body.tool_choice?.type === 'tool' && body.tool_choice.name === searchTool(body)?.name
}

function decodeSearchRules(body: MessagesBody): SearchRules | undefined {
  const tool = searchTool(body)
  if (!tool) return undefined
  return {
    chosen: isSearchChosen(body),
    maxUses: tool.max_uses ?? undefined,
    allowedDomains: tool.allowed_domains ?? undefined,
    blockedDomains: tool.blocked_domains ?? undefined,
  }
}

function decodeToolChoice(choice: MessagesBody['tool_choice']): ToolChoice {
  switch (choice?.type) {
    case undefined:
    case 'auto':
      return 'auto'
    case 'none':
      return 'none'
    case 'any':
      return 'required'
    case 'tool':
      return { name: choice.name }
    default:
      return choice satisfies never
  }
}

function disablesParallel(choice: MessagesBody['tool_choice']): boolean {
  return choice?.type !== 'none' && choice?.disable_parallel_tool_use === true
}

const efforts = new Map<string, Reasoning['effort']>([
  ['low', 'low'],
  ['medium', 'medium'],
  ['high', 'high'],
  ['xhigh', 'max'],
  ['max', 'max'],
])

/**
 * Thinking is off unless it is asked for, which an effort alone does not do: it is about all words of an answer. GLM
 * would think by default, unseen, and at the cost of `max_tokens`.
 * Source: Anthropic's pages on thinking and effort; Claude Code, which sends an effort and no `thinking` for titles.
 */
function decodeReasoning({ thinking, output_config }: MessagesBody): Reasoning {
  if (!thinking || thinking.type === 'disabled') return { mode: 'off' }
  return {
    mode: 'on', // `enabled`, `adaptive`, and whatever comes next
    effort: efforts.get(output_config?.effort ?? ''),
    budgetTokens: thinking?.budget_tokens ?? undefined,
  }
}

/** `updates`, an outline of the thinking as it goes on, is all of it here, and so is a word nobody knows. */
function displayOf({ thinking }: MessagesBody, { mode }: Reasoning): MessagesOptions['thinking'] {
  if (mode !== 'on') return 'hidden'
  return thinking?.display === 'omitted' ? 'omitted' : 'shown'
}

function decodeOutput(body: MessagesBody): OutputFormat {
  const format = body.output_config?.format ?? body.output_format
  return format?.type === 'json_schema' ? { type: 'json', schema: format.schema } : { type: 'text' }
}

function unsupported(body: MessagesBody): string[] {
  const names = (body.tools ?? []).flatMap((tool, index) => {
    return isCustom(tool) || isWebSearch(tool) ? [] : [`tools.${index} (${tool.type})`]
  })
  if (typeof body.top_k === 'number') names.push('top_k')
  if (body.container !== undefined && body.container !== null) names.push('container')
  if (body.mcp_servers?.length) names.push('mcp_servers')
  return names
}

/** Empty text blocks are no blocks: the official API refuses them, and so do upstreams. */
function text(value: string): TextPart[] {
  return value === '' ? [] : [{ type: 'text', text: value }]
}

/** What has no part of its own is told in the mark-up models know from their prompts. */
function tagged(tag: string, attributes: Record<string, string | null | undefined>, inner: string): string {
  const pairs = Object.entries(attributes).flatMap(([name, value]) =>
    value ? [` ${name}="${value.replaceAll('"', '&quot;')}"`] : [],
  )
  return `<${tag}${pairs.join('')}>\n${inner}\n</${tag}>`
}

function availableNow(tool: string): string {
  return `Tool ${tool} is now available.`
}

function storedFile(path: string): GatewayError {
  return new GatewayError(
    'invalid-request',
    `${path}.source: files by id are not stored here; send the content as base64, text or a URL.`,
    { param: `${path}.source` },
  )
}

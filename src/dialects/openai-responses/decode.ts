import type { Decoded } from '../../core/dialect.ts'
import type { RequestContext } from '../../core/dialect-route.ts'
import { GatewayError, invalidField } from '../../core/errors.ts'
import type { OutputFormat, SearchRules, Tool, ToolChoice } from '../../core/request.ts'
import { isLargerThan, mostStoredBytes } from '../../core/stored-conversation.ts'
import { unavailableChoice } from '../../core/tool-choice.ts'
import { truncate } from '../../core/truncate.ts'
import { readEntries } from '../openai/conversation-entries.ts'
import { decodeEffort } from '../openai/effort.ts'
import { type Fields, fieldsOf, listOf } from '../openai/json-fields.ts'
import { isSearchOn, searchDomain, searchOptions } from '../openai/search-tool.ts'
import { decodeVerbosity } from '../openai/verbosity.ts'
import { effortField, ignoredForeignValues, type OwnBody, ownBody, ownItems } from './body-variants.ts'
import { compactionRequest, compactPath, keptItems } from './compaction.ts'
import { decodeConversation } from './conversation.ts'
import { conversationIdOf } from './conversation-id.ts'
import type { ItemEntry } from './conversation-state.ts'
import { echoOf, summaryOf } from './echo.ts'
import { ignoredOptions, ignoredToolOptions } from './ignored.ts'
import { isMcpTool, mcpRequestOf, mcpServersOf } from './mcp-servers.ts'
import type { ResponsesOptions } from './response.ts'
import { type FlatChoice, type ItemBody, isClientTool, isTool, type TextFormat, type ToolBody } from './schema.ts'
import type { ResolvedBody } from './stored-conversation.ts'
import { type LoweredTool, loweredNames, lowerTools } from './tools.ts'

/**
 * Decodes a Responses body. Its references (`previous_response_id`, `item_reference`) have been resolved before, by
 * `resolve`.
 *
 * Errors: `invalid-request` for an empty conversation, for what needs more stored data than replies (`prompt`,
 * files by id), for a choice of a tool that does not run here, and for images in
 * the user's newest message that are neither http(s) nor base64 data URLs; `too-large` for what is to be stored and cannot be.
 */
export function decode(
  { history = [], ...rest }: ResolvedBody,
  { path }: Pick<RequestContext, 'path'>,
): Decoded<ResponsesOptions> {
  const body = ownBody(rest)
  rejectUnsupported(body)
  const ignoredRoles: string[] = []
  const placed = (list: ItemBody[], path: string) =>
    readEntries(list, path, (name) => ignoredRoles.push(name)).flatMap(({ fields, index }): ItemEntry[] =>
      ownItems(fields).map((item) => ({ item, path: `${path}.${index}` })),
    )
  const items = [...placed(history, 'previous_response'), ...placed(body.input, 'input')]
  const added = items.flatMap(toolsIn)
  const tools = [...body.tools, ...added.map(({ tool }) => tool)].filter(
    (tool) => !isWebSearch(tool) || isSearchOn(tool),
  )
  const lowered = lowerTools(tools.filter(isClientTool))
  const isAllowed = allowance(body.tool_choice)
  const servers = mcpServersOf(
    [...body.tools.map((tool, index) => ({ tool, path: `tools.${index}` })), ...added],
    items,
  )
  const { messages, ignored: ignoredParts, approved } = decodeConversation(items, lowered, servers)
  const mcp = mcpRequestOf(servers, approved, body.tool_choice, body.max_tool_calls ?? undefined)
  const isWhole = path === compactPath
  const conversationId = conversationIdOf(body)
  const isStored = body.store !== false || conversationId !== undefined
  const isTooLarge = isStored && isLargerThan(mostStoredBytes, [history, body.input])
  if (isTooLarge) rejectStored(body, conversationId)
  const compacts = isWhole || items.some(({ item }) => item.type === 'compaction_trigger')
  const mayCallNone = compacts || (body.tool_choice === 'none' && approved.length === 0)
  const searchRules = decodeSearchRules(body, tools)
  const effort = decodeEffort(body.reasoning?.effort, effortField(rest))
  const verbosity = decodeVerbosity(body.text.verbosity, 'text.verbosity')
  const rules = [body.instructions, verbosity.rule].filter((rule) => typeof rule === 'string' && rule !== '')
  const system = rules.length > 0 ? [{ role: 'system' as const, text: rules.join('\n\n') }] : []
  if (messages.length === 0 && !body.instructions) throw invalidField('input', 'at least one message is required.')
  return {
    request: {
      model: body.model,
      messages: [...system, ...messages, ...(compacts ? [compactionRequest] : [])],
      tools: lowered.flatMap(({ tool, origin }): Tool[] => (isAllowed(origin) ? [tool] : [])),
      // No other tool may be called.
      toolChoice: compacts || searchRules?.chosen ? 'none' : decodeToolChoice(body.tool_choice, lowered),
      ...(mcp && !mayCallNone ? { mcp } : {}),
      parallelToolCalls: body.parallel_tool_calls ?? true,
      sampling: {
        temperature: body.temperature ?? undefined,
        topP: body.top_p ?? undefined,
        maxTokens: body.max_output_tokens ?? undefined,
        stop: body.stop.length > 0 ? body.stop : undefined,
      },
      reasoning: effort.reasoning ?? { mode: 'default' },
      output: compacts ? { type: 'text' } : decodeOutput(body.text.format),
      search: tools.some((tool) => isWebSearch(tool) && isAllowed(tool)),
      searchRules,
      ignored: [
        ...body.tools.flatMap((tool, index) => ignoredToolOptions(tool, `tools.${index}`)),
        ...added.flatMap(({ tool, path }) => ignoredToolOptions(tool, path)),
        ...ignoredRoles,
        ...ignoredParts,
        ...ignoredOptions(body),
        ...ignoredForeignValues(rest),
        ...effort.ignored,
        ...verbosity.ignored,
        ...(isTooLarge ? ['store'] : []),
      ],
    },
    options: {
      echo: echoOf(isTooLarge ? { ...body, store: false } : body),
      origins: lowered.map(({ tool, origin }) => [tool.name, origin]),
      summarises: summaryOf(body) !== null,
      listsSources: body.include?.includes('web_search_call.action.sources') ?? false,
      includesEncryptedReasoning: body.include?.includes('reasoning.encrypted_content') ?? false,
      input: items.map(({ item }) => item),
      conversation: conversationId === undefined ? undefined : { id: conversationId, length: history.length },
      compaction: compacts ? { kept: isWhole ? keptItems(items.map(({ item }) => item)) : undefined } : undefined,
    },
    stream: !isWhole && (body.stream || body.background || false),
    background: body.background && !isWhole ? { isStreamed: body.stream ?? false } : undefined,
    isEmpty: body.generate === false || undefined,
  }
}

function rejectUnsupported(body: OwnBody): void {
  if (body.background && body.store === false)
    throw invalidField('background', 'a response in the background has to be stored; leave `store` out.')
  if (isGiven(body.prompt)) throw invalidField('prompt', 'no templates are kept here; send instructions and input.')
}

/** Errors: `too-large` for a request that only works if it is stored, and is too large for that. */
function rejectStored({ background }: OwnBody, conversationId: string | undefined): void {
  if (!background && conversationId === undefined) return
  const param = background ? 'background' : 'conversation'
  throw new GatewayError(
    'too-large',
    `${param}: what is stored has at most ${mostStoredBytes} bytes. Send this request with \`store\` false, and without \`${param}\`.`,
    { code: 'conversation_too_large', param },
  )
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

/** Tools that were added during the conversation, found by the client's search or sent by its developer. */
function toolsIn({ item, path }: ItemEntry): { tool: ToolBody; path: string }[] {
  if (item.type !== 'tool_search_output' && item.type !== 'additional_tools') return []
  return listOf(item.tools).flatMap((tool, index) => (isTool(tool) ? [{ tool, path: `${path}.tools.${index}` }] : []))
}

function allowance(
  choice: FlatChoice | undefined,
): (tool: { type: string; name?: string; namespace?: string }) => boolean {
  if (!choice || typeof choice === 'string' || !isAllowance(choice)) return () => true
  const allowed = new Set(choice.tools.map(({ type, name, namespace }) => allowanceKey(type, name, namespace)))
  const allowsSearch = choice.tools.some(isWebSearch)
  return ({ type, name, namespace }) => {
    if (isWebSearch({ type })) return allowsSearch
    return [
      allowanceKey(type, name, namespace),
      // Without a namespace, the tool of this name in any namespace is meant.
      allowanceKey(type, name),
      allowanceKey('namespace', namespace),
    ].some((key) => allowed.has(key))
  }
}

function allowanceKey(type: string, name: string | null | undefined, namespace?: string | null): string {
  return JSON.stringify([type, name, namespace ?? ''])
}

function decodeToolChoice(choice: FlatChoice | undefined, lowered: LoweredTool[]): ToolChoice {
  if (!choice) return 'auto'
  if (typeof choice === 'string') return choice
  if (isAllowance(choice)) {
    for (const tool of choice.tools) rejectForeignNamespace(tool, lowered)
    return choice.mode
  }
  rejectForeignNamespace(choice, lowered)
  if ('name' in choice && isNameable(choice.type)) return { name: loweredNames(lowered)(choice) }
  const named = lowered.find(({ origin }) => origin.type === choice.type)
  if (named) return { name: named.tool.name }
  if (choice.type === 'mcp') return 'auto' // the gateway chooses once it knows the tools
  if (isWebSearch(choice)) throw invalidField('tool_choice', `the request offers no tool of the type ${choice.type}.`)
  throw unavailableChoice(choice.type)
}

interface ChosenTool {
  type: string
  name?: string | null
  namespace?: string | null
}

/**
 * A tool outside of the namespace may have the name that the model would know this one by, and would be called instead.
 * Errors: `invalid-request`.
 */
function rejectForeignNamespace(chosen: ChosenTool, lowered: readonly LoweredTool[]): void {
  const namespace = chosen.type === 'namespace' ? chosen.name : chosen.namespace
  if (!namespace) return
  const offered = lowered.some(
    ({ origin }) =>
      'namespace' in origin &&
      origin.namespace === namespace &&
      (chosen.type === 'namespace' || (origin.type === chosen.type && origin.name === chosen.name)),
  )
  if (offered) return
  const what = chosen.type === 'namespace' ? 'namespace' : `tool \`${truncate(chosen.name ?? '')}\` in a namespace`
  throw invalidField('tool_choice', `the request offers no ${what} \`${truncate(namespace)}\`.`)
}

type NamedChoice = Exclude<FlatChoice, string>

/** Choices of other types may also have a `mode`, which has not been checked. */
function isAllowance(choice: NamedChoice): choice is Extract<NamedChoice, { mode: unknown }> {
  return choice.type === 'allowed_tools'
}

/** Tools that OpenAI runs have names of their own, and no tool here has those. */
function isNameable(type: string): boolean {
  return type === 'function' || type === 'custom'
}

function decodeOutput(format: TextFormat): OutputFormat {
  switch (format.type) {
    case 'text':
      return { type: 'text' }
    case 'json_object':
      return { type: 'json' }
    case 'json_schema':
      return {
        type: 'json',
        schema: format.schema ?? undefined,
        name: format.name ?? undefined,
        description: format.description || undefined,
      }
    default:
      return format satisfies never
  }
}

function isWebSearch({ type }: { type: string }): boolean {
  return type.startsWith('web_search')
}

function decodeSearchRules({ tool_choice, max_tool_calls }: OwnBody, tools: ToolBody[]): SearchRules | undefined {
  const tool = tools.find(isWebSearch)
  if (!tool || isClientTool(tool) || isMcpTool(tool)) return undefined
  const fields: Fields = tool
  const own = fieldsOf(fields.web_search)
  return {
    chosen: typeof tool_choice === 'object' && isWebSearch(tool_choice),
    // Searches are the only calls that the upstream runs.
    maxUses: max_tool_calls ?? undefined,
    allowedDomains: tool.filters?.allowed_domains ?? searchDomain(own),
    blockedDomains: tool.filters?.blocked_domains ?? undefined,
    options: searchOptions(own, tool.search_context_size),
  }
}

import type { SearchRules, Tool, ToolChoice } from '../../core/request.ts'
import { unavailableChoice } from '../../core/tool-choice.ts'
import { clientTool } from '../openai/anthropic-client-tools.ts'
import { customDefinition, freeform } from '../openai/custom-tool.ts'
import { type Fields, fieldsOf, listOf, textOr } from '../openai/json-fields.ts'
import { isKnown } from './block-schema.ts'
import type { OnIgnored } from './conversation.ts'
import type { MessageEntry } from './conversation-entries.ts'
import type { MessagesBody } from './schema.ts'
import type {
  AllowedTools,
  FlatFreeform,
  NestedFreeform,
  NestedFunction,
  OwnTool,
  ToolBody,
  ToolChoiceBody,
  TypedTool,
} from './tool-schema.ts'
import { offeredName, type Toolset, toolsetOf, toolsetTools } from './toolsets.ts'

export interface DecodedTools {
  tools: Tool[]
  toolsets: Toolset[]
  toolChoice: ToolChoice
  parallelToolCalls: boolean
  search: boolean
  searchRules: SearchRules | undefined
}

/**
 * What the model may call: the client's own tools, and those of Anthropic's tools that the client runs. Tools that
 * Anthropic's servers would run are reported as ignored, except for the web search.
 * Errors: `invalid-request` for a choice of a tool that does not run here.
 */
export function decodeTools(body: MessagesBody, messages: readonly MessageEntry[], onIgnored: OnIgnored): DecodedTools {
  const { tool_choice, parallel_tool_calls } = body
  const entries = toolEntriesOf(body, messages)
  const chosen = nameOf(tool_choice)
  const isOffered = offering(entries, messages, chosen)
  const allowed = isAllowance(tool_choice) ? allowance(tool_choice).names : undefined
  const tools = firstOfEachName(entries.flatMap((entry) => offeredTools(entry, isOffered, onIgnored))).filter(
    ({ name }) => allowed?.has(name) ?? true,
  )
  const typed = entries.map(({ tool }) => tool).filter(isTyped)
  const toolsets = typed.flatMap((tool) => toolsetOf(tool) ?? [])
  const search = typed.find(isWebSearch)
  const onlySearchMayCome = wordOf(tool_choice) === 'required' && tools.length === 0
  const isSearchChosen = search !== undefined && (chosen === (search.name ?? 'web_search') || onlySearchMayCome)
  return {
    tools,
    toolsets,
    toolChoice: isSearchChosen ? 'none' : choiceOf(tool_choice, { tools, toolsets, typed }),
    parallelToolCalls: parallel_tool_calls ?? !disablesParallel(tool_choice),
    search: search !== undefined,
    searchRules: search && {
      chosen: isSearchChosen,
      maxUses: search.max_uses ?? undefined,
      allowedDomains: search.allowed_domains ?? undefined,
      blockedDomains: search.blocked_domains ?? undefined,
    },
  }
}

function isAllowance(choice: ToolChoiceBody): choice is AllowedTools {
  return fieldsOf(choice).type === 'allowed_tools'
}

interface ToolEntry {
  tool: ToolBody
  path: string
  /** Added by a message. It stays until another message removes it. */
  isAdded: boolean
}

function toolEntriesOf({ tools, functions }: MessagesBody, messages: readonly MessageEntry[]): ToolEntry[] {
  const [toolEntries, name] = tools?.length ? [tools, 'tools'] : [functions ?? [], 'functions']
  const added = messages.flatMap(({ blocks }) =>
    blocks.flatMap(({ block, path }) =>
      isKnown(block) && block.type === 'tool_addition' && block.tool.definition
        ? [{ tool: block.tool.definition, path: `${path}.tool`, isAdded: true }]
        : [],
    ),
  )
  return [...toolEntries.map((tool, index) => ({ tool, path: `${name}.${index}`, isAdded: false })), ...added]
}

/** Claude Code keeps this tool in the list so that deferral stays off. It is not meant to be called. */
const placeholderTool = 'DeferredToolPlaceholder'

type IsOffered = (name: string, isDeferred: boolean) => boolean

/**
 * The tools that are available at the end of the conversation. A deferred tool is available if a search has found it, a
 * message has added it, or the request chooses it. A tool that a message has removed is not.
 */
function offering(entries: ToolEntry[], messages: readonly MessageEntry[], chosen: string | undefined): IsOffered {
  const found = new Set<string>(chosen === undefined ? [] : [chosen])
  const removed = new Set<string>()
  for (const { blocks } of messages) {
    for (const { block } of blocks) {
      if (!isKnown(block)) continue
      if (block.type === 'tool_result')
        for (const { type, tool_name } of listOf(block.content).map(fieldsOf))
          if (type === 'tool_reference' && typeof tool_name === 'string') found.add(tool_name)
      if (block.type === 'tool_addition') {
        const name = block.tool.name ?? definedName(block.tool.definition)
        if (name) found.add(name)
        if (name) removed.delete(name)
      }
      if (block.type === 'tool_removal' && block.tool.name) {
        found.delete(block.tool.name)
        removed.add(block.tool.name)
      }
    }
  }
  // The server's tool search cannot run here, so all tools that it could find are offered.
  const defers = !entries.some(({ tool }) => tool.type?.startsWith('tool_search_tool_'))
  return (name, isDeferred) =>
    name !== placeholderTool && !removed.has(name) && (!defers || !isDeferred || found.has(name))
}

function offeredTools({ tool, path, isAdded }: ToolEntry, isOffered: IsOffered, onIgnored: OnIgnored): Tool[] {
  if (isNested(tool)) {
    const nested = nestedTool(tool)
    return isOffered(nested.name, isAdded) ? [nested] : []
  }
  const { defer_loading, allowed_callers, input_examples, strict } = tool
  if (allowed_callers && !allowed_callers.includes('direct')) {
    onIgnored(`${path} (for ${allowed_callers.join(', ')} alone)`)
    return []
  }
  const isDeferred = isAdded || (defer_loading ?? false)
  if (isTyped(tool)) {
    const toolset = toolsetOf(tool)
    if (toolset) return toolsetTools(toolset, tool, (name, alone) => isOffered(name, isDeferred || alone))
    if (tool.type === 'mcp_toolset') return [] // read with the servers
    if (isWebSearch(tool)) {
      if (tool.user_location) onIgnored(`${path}.user_location`)
      return []
    }
  }
  const known = isTyped(tool) ? clientTool(tool) : ownTool(tool)
  if (!known) {
    onIgnored(`${path} (${tool.type})`)
    return []
  }
  const name = tool.name || known.name
  if (!isOffered(name, isDeferred)) return []
  const parameters = input_examples?.length ? { ...known.parameters, examples: input_examples } : known.parameters
  return [asTool({ name, description: known.description, parameters, strict })]
}

function definedName(tool: ToolBody | null | undefined): string | undefined {
  if (!tool) return undefined
  return (isNested(tool) ? nestedTool(tool).name : tool.name) ?? undefined
}

function asTool({ name, description, parameters, input_schema, strict }: NestedFunction['function']): Tool {
  // A function without a schema has no arguments.
  const schema = parameters ?? input_schema ?? { type: 'object', properties: {} }
  return { name, description: description ?? '', parameters: schema, strict: strict || undefined }
}

function nestedTool(tool: NestedFunction | NestedFreeform): Tool {
  return asTool('function' in tool ? tool.function : freeformFunction(tool.custom.name, tool.custom))
}

/** A tool of OpenAI's APIs that takes free text, which is the `input` of its calls here. */
function freeformFunction(name: string, definition: Fields): NestedFunction['function'] {
  const { description, parameters } = freeform(customDefinition(definition))
  return { name, description, parameters }
}

function ownTool(tool: OwnTool): NestedFunction['function'] {
  const { name, description } = tool
  if (isFreeform(tool)) return freeformFunction(name, tool)
  return { name, description, parameters: 'input_schema' in tool ? tool.input_schema : tool.parameters }
}

function isFreeform(tool: OwnTool): tool is FlatFreeform {
  return tool.type === 'custom' && !('input_schema' in tool)
}

function isNested(tool: ToolBody): tool is NestedFunction | NestedFreeform {
  return ('function' in tool || 'custom' in tool) && !isTyped(tool)
}

function isTyped(tool: ToolBody): tool is TypedTool {
  return typeof tool.type === 'string' && tool.type !== 'custom' && tool.type !== 'function'
}

/** Z.AI's own search is always called `web_search`, and has a switch. */
function isWebSearch(tool: TypedTool): boolean {
  return /^web_search(?:_|$)/.test(tool.type) && tool.web_search?.enable !== false
}

/** If the client's own tool and a tool of a toolset have the same name, the client's own tool is used. */
function firstOfEachName(tools: readonly Tool[]): Tool[] {
  const names = new Set<string>()
  return tools.filter(({ name }) => !names.has(name) && names.add(name))
}

function nameOf(choice: ToolChoiceBody): string | undefined {
  if (!choice || typeof choice === 'string') return undefined
  if (choice.type === 'function') return choice.function?.name ?? choice.name ?? undefined
  if (choice.type === 'custom') return choice.custom?.name ?? choice.name ?? undefined
  return choice.type === 'tool' ? choice.name : undefined
}

const choiceOfWord = { auto: 'auto', none: 'none', any: 'required', required: 'required' } as const

function choiceOf(choice: ToolChoiceBody, { tools, toolsets, typed }: RequestTools): ToolChoice {
  const name = nameOf(choice)
  if (name === undefined) return wordOf(choice)
  if (tools.some((tool) => tool.name === name)) return { name }
  const member = toolsets
    .map((toolset) => offeredName(toolset, name))
    .find((offered) => tools.some((tool) => tool.name === offered))
  if (member !== undefined) return { name: member }
  if (toolsets.some((toolset) => toolset === name)) return 'required'
  const elsewhere = typed.find((tool) => tool.name === name || tool.type === name)
  if (elsewhere) throw unavailableChoice(elsewhere.type)
  return { name }
}

interface RequestTools {
  tools: readonly Tool[]
  toolsets: readonly Toolset[]
  typed: readonly TypedTool[]
}

function wordOf(choice: ToolChoiceBody): 'auto' | 'none' | 'required' {
  const word =
    typeof choice === 'string' ? choice : choice?.type === 'allowed_tools' ? allowance(choice).mode : choice?.type
  return word === undefined || isKindOfTool(word) ? 'auto' : choiceOfWord[word]
}

function isKindOfTool(word: string): word is 'tool' | 'function' | 'custom' {
  return word === 'tool' || word === 'function' || word === 'custom'
}

function disablesParallel(choice: ToolChoiceBody): boolean {
  return fieldsOf(choice).disable_parallel_tool_use === true
}

/** OpenAI's choice among some of the tools, nested as in its Chat API, or flat. */
function allowance(choice: AllowedTools): { mode: 'auto' | 'required' | undefined; names: Set<string> } {
  const { mode, tools } = choice.allowed_tools ?? choice
  const names = listOf(tools).map((tool) => nameOf(tool as ToolChoiceBody) ?? textOr(fieldsOf(tool).name))
  return { mode: mode ?? undefined, names: new Set(names) }
}

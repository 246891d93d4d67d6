import type { SearchRules, Tool, ToolChoice } from '../../core/request.ts'
import { unavailableChoice } from '../../core/tool-choice.ts'
import { namesOf } from '../../core/tool-names.ts'
import { datedClientTool } from '../openai/anthropic-client-tools.ts'
import { type CustomDefinition, customDefinition, freeform } from '../openai/custom-tool.ts'
import { type Fields, fieldsOf, isFields, listOf, textOr } from '../openai/json-fields.ts'
import { isSearchOn, searchDomain, searchOptions } from '../openai/search-tool.ts'
import type { ChatBody, ToolBody } from './schema.ts'

/** What a request may call, in whatever form it was declared. */
export interface DecodedTools {
  tools: Tool[]
  /** Freeform tools: the client's own name by the name that the model knows. */
  customTools: [offered: string, name: string][]
  toolChoice: ToolChoice
  parallelToolCalls: boolean
  search: boolean
  searchRules: SearchRules | undefined
  /** The paths of tools that do not run here, and of search options that have no effect. */
  ignored: string[]
}

/** One declared tool. OpenAI nests it, Responses do not, and Messages call its schema `input_schema`. */
type Declared =
  | { kind: 'function'; name: string; signature: Omit<Tool, 'name'> }
  | { kind: 'custom'; name: string; definition: CustomDefinition }
  | { kind: 'search'; fields: Fields; path: string }
  | { kind: 'other'; type: string; path: string }

/** Errors: `invalid-request` for a choice of a tool that does not run here. */
export function decodeTools(body: ChatBody): DecodedTools {
  for (const field in body) if (toolFields.has(field)) return readTools(body)
  return {
    tools: [],
    customTools: [],
    toolChoice: 'auto',
    parallelToolCalls: true,
    search: false,
    searchRules: undefined,
    ignored: [],
  }
}

/** The fields that `readTools` reads. A request without tools has none of them. */
const toolFields = new Set<string>([
  'tools',
  'functions',
  'tool_choice',
  'function_call',
  'parallel_tool_calls',
  'web_search_options',
] satisfies (keyof ChatBody)[])

function readTools(body: ChatBody): DecodedTools {
  const declared = (body.tools ?? []).map((tool, index) => declaredTool(tool, `tools.${index}`))
  const legacy = declared.length === 0 ? (body.functions ?? []).map(declaredFunction) : []
  const all = [...declared, ...legacy]
  const choice = choiceAmong(all, decodeChoice(body.tool_choice ?? body.function_call))
  const allowed = choice.allowed && new Set(choice.allowed.map(({ kind, name }) => allowanceKey(kind, name)))
  const isAllowed = (kind: Declared['kind'], name?: string) => allowed?.has(allowanceKey(kind, name)) ?? true

  const names = offeredNames(all)
  const tools: Tool[] = []
  const customTools: [string, string][] = []
  for (const tool of all) {
    if (tool.kind === 'function' && isAllowed('function', tool.name)) tools.push({ name: tool.name, ...tool.signature })
    if (tool.kind === 'custom') {
      const offered = names.get(tool.name) ?? tool.name
      customTools.push([offered, tool.name])
      if (isAllowed('custom', tool.name)) tools.push({ ...namesOf(offered, tool.name), ...freeform(tool.definition) })
    }
  }

  const searches = all.flatMap((tool) => (tool.kind === 'search' && isSearchOn(tool.fields) ? [tool] : []))
  const search = decodeSearch(body, searches[0], choice.kind === 'search')
  return {
    tools,
    customTools,
    toolChoice: toolChoiceOf(choice, names),
    parallelToolCalls: legacy.length === 0 && !choice.oneOnly && (body.parallel_tool_calls ?? true),
    search: search.wanted || (searches.length > 0 && isAllowed('search')),
    searchRules: search.rules,
    ignored: [
      ...all.flatMap((tool) => (tool.kind === 'other' ? [`${tool.path} (${tool.type})`] : [])),
      ...search.ignored,
    ],
  }
}

function allowanceKey(kind: Declared['kind'], name: string | undefined): string {
  return `${kind} ${name ?? ''}`
}

function declaredTool(tool: ToolBody, path: string): Declared {
  const fields: Fields = tool
  const type = textOr(fields.type)
  if (type.startsWith('web_search')) return { kind: 'search', fields, path }
  if (type !== '' && type !== 'function' && type !== 'custom') return typedTool(fields, type, path)
  if (isFields(fields.function)) return declaredFunction(fields.function)
  const custom = isFields(fields.custom) ? fields.custom : fields
  if ((type === 'custom' || isFields(fields.custom)) && !isFields(fields.input_schema)) {
    return { kind: 'custom', name: textOr(custom.name), definition: customDefinition(custom) }
  }
  return declaredFunction(fields)
}

/** Anthropic's API defines some tools that a client runs: they are recognised by their types. */
function typedTool(fields: Fields, type: string, path: string): Declared {
  const known = datedClientTool(fields)
  if (!known) return { kind: 'other', type, path }
  const { name, ...definition } = known
  return declaredFunction({ ...definition, name: textOr(fields.name) || name })
}

function declaredFunction(definition: Fields): Declared {
  const { name, description, parameters, input_schema, strict } = definition
  const schema = [parameters, input_schema].find(isFields)
  return {
    kind: 'function',
    name: textOr(name),
    signature: {
      description: textOr(description),
      // A function without a schema has no arguments.
      parameters: schema ?? { type: 'object', properties: {} },
      strict: strict === true || undefined,
    },
  }
}

/** A freeform tool keeps its name unless a function has the same name. */
function offeredNames(all: readonly Declared[]): Map<string, string> {
  const taken = new Set(all.flatMap((tool) => (tool.kind === 'function' ? [tool.name] : [])))
  const names = new Map<string, string>()
  for (const tool of all) {
    if (tool.kind !== 'custom' || names.has(tool.name)) continue
    let free = tool.name
    for (let n = 2; taken.has(free); n++) free = `${tool.name}_${n}`
    taken.add(free)
    names.set(tool.name, free)
  }
  return names
}

interface Choice {
  kind: 'mode' | 'function' | 'custom' | 'search' | 'hosted'
  /** The mode, the name of the tool, or its type. */
  word: string
  /** The only tools that may be called. */
  allowed?: { kind: Declared['kind']; name?: string }[]
  oneOnly: boolean
}

/** Reads the forms of Chat Completions, old and new, of Responses, and of Messages. */
function decodeChoice(value: unknown): Choice {
  const oneOnly = fieldsOf(value).disable_parallel_tool_use === true
  if (!isFields(value)) return { kind: 'mode', word: textOr(value, 'auto'), oneOnly }
  const type = textOr(value.type)
  if (type === 'allowed_tools') {
    const { mode, tools } = isFields(value.allowed_tools) ? value.allowed_tools : value
    const allowed = listOf(tools).map(decodeChoice).map(allowedTool)
    return { kind: 'mode', word: textOr(mode, 'auto'), allowed, oneOnly }
  }
  if (type.startsWith('web_search')) return { kind: 'search', word: type, oneOnly }
  if (type === 'custom') return { kind: 'custom', word: nameIn(value.custom, value), oneOnly }
  // The oldest form has only a name.
  if (type === '' || type === 'function' || type === 'tool')
    return { kind: 'function', word: nameIn(value.function, value), oneOnly }
  const isMode = ['auto', 'any', 'required', 'none'].includes(type)
  return { kind: isMode ? 'mode' : 'hosted', word: type, oneOnly }
}

/** In Messages the search is chosen by its name. */
function choiceAmong(all: readonly Declared[], choice: Choice): Choice {
  const isSearch = all.some((tool) => tool.kind === 'search' && textOr(tool.fields.name) === choice.word)
  const isFunction = all.some((tool) => tool.kind === 'function' && tool.name === choice.word)
  return choice.kind === 'function' && isSearch && !isFunction ? { ...choice, kind: 'search' } : choice
}

function allowedTool({ kind, word }: Choice): { kind: Declared['kind']; name?: string } {
  if (kind === 'search') return { kind: 'search' }
  return { kind: kind === 'custom' ? 'custom' : kind === 'function' ? 'function' : 'other', name: word }
}

function nameIn(inner: unknown, outer: Fields): string {
  return textOr(fieldsOf(inner).name) || textOr(outer.name)
}

function toolChoiceOf({ kind, word }: Choice, customNames: ReadonlyMap<string, string>): ToolChoice {
  switch (kind) {
    case 'mode':
      return word === 'none' || word === 'auto' ? word : 'required'
    case 'function':
      return { name: word }
    case 'custom':
      return { name: customNames.get(word) ?? word }
    case 'search':
      return 'none' // no other tool may be called
    case 'hosted':
      throw unavailableChoice(word)
    default:
      return kind satisfies never
  }
}

/** Agents send a hosted tool with every request, so the tool does not ask for a search, but one of its options does. */
function decodeSearch(
  { web_search_options }: ChatBody,
  tool: Extract<Declared, { kind: 'search' }> | undefined,
  isChosen: boolean,
): { wanted: boolean; rules: SearchRules | undefined; ignored: string[] } {
  // Most requests have no search.
  if (!tool && !web_search_options && !isChosen) return { wanted: false, rules: undefined, ignored: [] }
  const wanted = Boolean(web_search_options)
  const options: Fields = web_search_options ?? {}
  const flat = tool?.fields ?? {}
  const nested = fieldsOf(flat.web_search)
  const filters = [flat.filters, options.filters].map(fieldsOf)
  const allowed = firstList([...filters.map(({ allowed_domains }) => allowed_domains), flat.allowed_domains])
  const allowedDomains = allowed ?? searchDomain(nested)
  const blockedDomains = firstList([...filters.map(({ blocked_domains }) => blocked_domains), flat.blocked_domains])
  const maxUses = typeof flat.max_uses === 'number' ? flat.max_uses : undefined
  const search = searchOptions(nested, flat.search_context_size ?? options.search_context_size)
  const restrictions = { maxUses, allowedDomains, blockedDomains, options: search }
  const asksNothing = Object.values(restrictions).every((value) => value === undefined)
  const ignored = [
    ...(options.user_location ? ['web_search_options.user_location'] : []),
    ...(tool && flat.user_location ? [`${tool.path}.user_location`] : []),
  ]
  const chosen = wanted || isChosen
  return { wanted, rules: chosen || !asksNothing ? { chosen, ...restrictions } : undefined, ignored }
}

function firstList(lists: readonly unknown[]): string[] | undefined {
  const domains = lists.map(listOf).find((list) => list.length > 0)
  return domains?.filter((domain): domain is string => typeof domain === 'string')
}

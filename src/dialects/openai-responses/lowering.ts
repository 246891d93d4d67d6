import type { Tool } from '../../core/request.ts'
import { freeform } from '../openai/custom-tool.ts'
import { type BuiltIn, builtIns } from './built-ins.ts'
import type { ClientTool, CustomTool, FunctionTool, ToolSearchTool } from './schema.ts'

/** A tool the model is offered as a function, and how the client knows it. */
export interface LoweredTool {
  tool: Tool
  origin: ToolOrigin
}

export type ToolOrigin =
  | { type: 'function' | 'custom'; name: string; namespace?: string }
  | { type: BuiltIn | 'tool_search' }

/**
 * The tools clients run, as functions: the only kind upstreams know.
 *
 * Names are the client's own wherever they are free; a tool of a namespace is called `namespace__tool`. A name that
 * is taken gets a number, so each stands for one tool in both directions.
 */
export function lowerTools(tools: ClientTool[]): LoweredTool[] {
  // Functions come first: nobody else may take their names.
  const inOrder = tools.toSorted((a, b) => Number(b.type === 'function') - Number(a.type === 'function'))
  const taken = new Set<string>()
  const lowered = new Map(inOrder.map((tool) => [tool, lower(tool, taken)]))
  return onceEach(tools.flatMap((tool) => lowered.get(tool) ?? []))
}

/** A search may find again what is there already. */
function onceEach(lowered: LoweredTool[]): LoweredTool[] {
  const known = new Set<string>()
  return lowered.filter(({ origin }) => {
    const key = JSON.stringify(origin)
    return !known.has(key) && known.add(key)
  })
}

function lower(tool: ClientTool, taken: Set<string>): LoweredTool[] {
  switch (tool.type) {
    case 'function':
    case 'custom':
      return [named(tool, taken)]
    case 'namespace':
      // What is said of all of them is said once.
      return tool.tools.map((inner, at) => named(inner, taken, tool.name, at === 0 ? tool.description : undefined))
    case 'local_shell':
    case 'shell':
    case 'apply_patch':
      return [{ tool: { name: claim(tool.type, taken), ...builtIns[tool.type] }, origin: { type: tool.type } }]
    case 'tool_search':
      return toolSearch(tool, taken)
    default:
      return tool satisfies never
  }
}

function named(
  tool: FunctionTool | CustomTool,
  taken: Set<string>,
  namespace?: string,
  about?: string | null,
): LoweredTool {
  const { type, name } = tool
  const own = type === 'function' ? signature(tool) : freeform(tool)
  const description = about ? `${about}\n\n${own.description}`.trimEnd() : own.description
  const offered = claim(offeredName(name, namespace), taken)
  return {
    tool: { name: offered, ...own, description },
    origin: { type, name, ...(namespace === undefined ? {} : { namespace }) },
  }
}

/** The client's own words for one of its tools, in a call or a choice. */
interface Origin {
  type: string
  name?: string
  namespace?: string | null
}

/** What the model knows the tool as; one that is not offered any more goes by the name it had. */
export function loweredName(origin: Origin, lowered: LoweredTool[]): string {
  const found = lowered.find((candidate) => isSame(candidate.origin, origin))
  return found?.tool.name ?? offeredName(origin.name ?? origin.type, origin.namespace)
}

function isSame(one: ToolOrigin, other: Origin): boolean {
  if (!('name' in one)) return one.type === other.type
  return one.type === other.type && one.name === other.name && (one.namespace ?? '') === (other.namespace ?? '')
}

/** What a tool is called when nobody else is called so. */
function offeredName(name: string, namespace: string | null | undefined): string {
  if (!namespace) return name
  // Codex ends the namespaces of MCP servers in the separator itself.
  return legal(namespace.endsWith('__') ? namespace + name : `${namespace}__${name}`)
}

const longestName = 64

function legal(name: string): string {
  // The end tells tools of one namespace apart.
  return name.replace(/[^\w-]/g, '_').slice(-longestName)
}

function claim(name: string, taken: Set<string>): string {
  let free = name
  for (let n = 2; taken.has(free); n++) free = `${name.slice(0, longestName - 4)}_${n}`
  taken.add(free)
  return free
}

function signature({ description, parameters, strict }: FunctionTool): Omit<Tool, 'name'> {
  return {
    description: description ?? '',
    // Left out, they mean a function without arguments.
    parameters: parameters ?? { type: 'object', properties: {} },
    strict: strict || undefined,
  }
}

/** OpenAI's own search cannot run here; it needs none, because deferred tools are offered outright. */
function toolSearch({ execution, description, parameters }: ToolSearchTool, taken: Set<string>): LoweredTool[] {
  if (execution !== 'client') return []
  const fallback = { type: 'object', properties: { query: { type: 'string' } }, required: ['query'] }
  const tool = {
    name: claim('tool_search', taken),
    description: description ?? 'Finds tools that can be called from then on.',
    parameters: parameters ?? fallback,
    strict: true,
  }
  return [{ tool, origin: { type: 'tool_search' } }]
}

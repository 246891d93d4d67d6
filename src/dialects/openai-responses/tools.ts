import type { Tool } from '../../core/request.ts'
import { namesOf } from '../../core/tool-names.ts'
import { freeform } from '../openai/custom-tool.ts'
import { type BuiltIn, builtIns } from './built-in-tools.ts'
import type { ClientTool, CustomTool, FunctionTool, ToolSearchTool } from './schema.ts'

/** A tool that is offered to the model as a function, and the client's own form of it. */
export interface LoweredTool {
  tool: Tool
  origin: ToolOrigin
}

export type ToolOrigin =
  | { type: 'function' | 'custom'; name: string; namespace?: string }
  | { type: BuiltIn | 'tool_search' }

/**
 * The client's tools as functions, which is the only form that upstreams know.
 *
 * Names stay the client's own if they are free; a tool of a namespace is called `namespace__tool`. A name that is taken
 * gets a number, so each name stands for one tool in both directions.
 */
export function lowerTools(tools: ClientTool[]): LoweredTool[] {
  // Functions come first, so that no other tool takes their names.
  const inOrder = tools.toSorted((a, b) => Number(b.type === 'function') - Number(a.type === 'function'))
  const taken: TakenNames = { names: new Set(), nextNumbers: new Map() }
  const lowered = new Map(inOrder.map((tool) => [tool, lower(tool, taken)]))
  return onceEach(tools.flatMap((tool) => lowered.get(tool) ?? []))
}

/** A search may find a tool that is already there. */
function onceEach(lowered: LoweredTool[]): LoweredTool[] {
  const known = new Set<string>()
  return lowered.filter(({ origin }) => {
    const key = JSON.stringify(origin)
    return !known.has(key) && known.add(key)
  })
}

function lower(tool: ClientTool, taken: TakenNames): LoweredTool[] {
  switch (tool.type) {
    case 'function':
    case 'custom':
      return [named(tool, taken)]
    case 'namespace':
      // The description of the namespace is given once.
      return tool.tools.map((inner, at) => named(inner, taken, tool.name, at === 0 ? tool.description : undefined))
    case 'local_shell':
    case 'shell':
    case 'apply_patch':
      return [
        {
          tool: { ...namesOf(claim(tool.type, taken), tool.type), ...builtIns[tool.type] },
          origin: { type: tool.type },
        },
      ]
    case 'tool_search':
      return toolSearch(tool, taken)
    default:
      return tool satisfies never
  }
}

function named(
  tool: FunctionTool | CustomTool,
  taken: TakenNames,
  namespace?: string,
  about?: string | null,
): LoweredTool {
  const { type, name } = tool
  const own = type === 'function' ? signature(tool) : freeform(tool)
  const description = about ? `${about}\n\n${own.description}`.trimEnd() : own.description
  const offered = claim(offeredName(name, namespace), taken)
  return {
    tool: { ...namesOf(offered, name), ...own, description },
    origin: { type, name, ...(namespace === undefined ? {} : { namespace }) },
  }
}

/** The client's own name for one of its tools, in a call or a choice. */
interface Origin {
  type: string
  name?: string
  namespace?: string | null
}

/** The model's name for a tool. A tool that is not offered any more keeps the name that it had. */
export function loweredNames(lowered: readonly LoweredTool[]): (origin: Origin) => string {
  const names = new Map<string, string>()
  const add = (origin: Origin, name: string) => {
    const key = originKey(origin)
    if (!names.has(key)) names.set(key, name)
  }
  for (const { tool, origin } of lowered) add(origin, tool.name)
  // A choice and a call of an older turn may lack the namespace.
  for (const { tool, origin } of lowered) add({ ...origin, namespace: null }, tool.name)
  return (origin) =>
    names.get(originKey(origin)) ??
    names.get(originKey({ type: origin.type })) ??
    offeredName(origin.name ?? origin.type, origin.namespace)
}

/** Tools of OpenAI's own have only a type. */
function originKey({ type, name, namespace }: Origin): string {
  return JSON.stringify([type, name, namespace ?? ''])
}

/** The name of a tool if it is still free. */
function offeredName(name: string, namespace: string | null | undefined): string {
  if (!namespace) return name
  // Codex ends the namespaces of MCP servers in the separator itself.
  return legal(namespace.endsWith('__') ? namespace + name : `${namespace}__${name}`)
}

const longestName = 64

function legal(name: string): string {
  // The end is kept, because it tells tools of one namespace apart.
  return name.replace(/[^\w-]/g, '_').slice(-longestName)
}

interface TakenNames {
  names: Set<string>
  /** The next number to try for each name, because a search from 2 each time would be quadratic. */
  nextNumbers: Map<string, number>
}

function claim(name: string, { names, nextNumbers }: TakenNames): string {
  let free = name
  const head = name.slice(0, longestName - 4)
  for (let n = nextNumbers.get(head) ?? 2; names.has(free); n++) {
    free = `${head}_${n}`
    nextNumbers.set(head, n + 1)
  }
  names.add(free)
  return free
}

function signature({ description, parameters, strict }: FunctionTool): Omit<Tool, 'name'> {
  return {
    description: description ?? '',
    // A function without a schema has no arguments.
    parameters: parameters ?? { type: 'object', properties: {} },
    strict: strict || undefined,
  }
}

/** OpenAI's own search cannot run here. It is not needed, because deferred tools are all offered. */
function toolSearch({ execution, description, parameters }: ToolSearchTool, taken: TakenNames): LoweredTool[] {
  if (execution !== 'client') return []
  const fallback = { type: 'object', properties: { query: { type: 'string' } }, required: ['query'] }
  const tool = {
    ...namesOf(claim('tool_search', taken), 'tool_search'),
    description: description ?? 'Finds tools that can be called from then on.',
    parameters: parameters ?? fallback,
    strict: true,
  }
  return [{ tool, origin: { type: 'tool_search' } }]
}

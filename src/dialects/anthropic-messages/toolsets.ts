import type { Tool } from '../../core/request.ts'
import type { TypedTool } from './tool-schema.ts'
import { browserTools, computerTools, type ToolDefinition } from './toolset-definitions.ts'

/** An entry of `tools` that stands for several tools. A call of one of them names the toolset in `toolset_name`. */
const toolsets = { computer: computerTools, browser: browserTools }

export type Toolset = keyof typeof toolsets

/** The type without its date: `computer_toolset_20260801`. */
export function toolsetOf({ type }: Pick<TypedTool, 'type'>): Toolset | undefined {
  const [, family] = /^(computer|browser)_toolset(?:_|$)/.exec(type) ?? []
  return family !== undefined && isToolset(family) ? family : undefined
}

/** The enabled tools of a toolset as separate tools, because models know no other form. */
export function toolsetTools(
  toolset: Toolset,
  { configs }: TypedTool,
  isOffered: (name: string, isDeferred: boolean) => boolean,
): Tool[] {
  return Object.entries(toolsets[toolset]).flatMap(([name, member]) => {
    const { enabled, defer_loading } = configs?.[name] ?? {}
    const offered = offeredName(toolset, name)
    const isThere = [toolset, name, offered].some((known) => isOffered(known, defer_loading ?? false))
    if (!isThere || !(enabled ?? !member.onRequest)) return []
    return [{ name: offered, clientName: name, description: member.description, parameters: parametersOf(member) }]
  })
}

function parametersOf({ arguments: args }: ToolDefinition): Record<string, unknown> {
  const entries = Object.entries(args)
  return {
    type: 'object',
    properties: Object.fromEntries(entries.map(([name, schema]) => [name.replace('?', ''), schema])),
    required: entries.flatMap(([name]) => (name.endsWith('?') ? [] : [name])),
  }
}

/** Two toolsets have a `screenshot`, so the name for the model begins with that of the toolset. */
export function offeredName(toolset: string | null | undefined, name: string): string {
  return toolset ? `${toolset}__${name}` : name
}

/** The client's name for a tool that the model calls. For a tool of an offered toolset it has two parts. */
export function clientName(
  offered: string,
  offeredToolsets: readonly Toolset[] = [],
): { name: string; toolset_name?: Toolset } {
  for (const toolset of offeredToolsets) {
    const name = offered.slice(offeredName(toolset, '').length)
    if (offered === offeredName(toolset, name) && Object.hasOwn(toolsets[toolset], name))
      return { name, toolset_name: toolset }
  }
  return { name: offered }
}

function isToolset(family: string): family is Toolset {
  return Object.hasOwn(toolsets, family)
}

import type { Tool } from '../../core/request.ts'
import type { TypedTool } from './tool-schema.ts'
import { browserMembers, computerMembers, type ToolsetMember } from './toolset-members.ts'

/** One entry of `tools` that stands for a family of tools; a call of one names its family in `toolset_name`. */
const toolsets = { computer: computerMembers, browser: browserMembers }

export type Toolset = keyof typeof toolsets

/** `computer_toolset_20260801`, of whatever date. */
export function toolsetOf({ type }: Pick<TypedTool, 'type'>): Toolset | undefined {
  const [, family] = /^(computer|browser)_toolset(?:_|$)/.exec(type) ?? []
  return family !== undefined && isToolset(family) ? family : undefined
}

/** The members of a toolset that are switched on, each as a tool of its own, which is what models know. */
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

function parametersOf({ arguments: args }: ToolsetMember): Record<string, unknown> {
  const entries = Object.entries(args)
  return {
    type: 'object',
    properties: Object.fromEntries(entries.map(([name, schema]) => [name.replace('?', ''), schema])),
    required: entries.flatMap(([name]) => (name.endsWith('?') ? [] : [name])),
  }
}

/** Two families have a `screenshot`: to the model each name carries its family. */
export function offeredName(toolset: string | null | undefined, name: string): string {
  return toolset ? `${toolset}__${name}` : name
}

/** A name the model calls, as the client knows it: of a member, where its toolset was offered. */
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

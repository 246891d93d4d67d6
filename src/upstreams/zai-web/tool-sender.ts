import type { Delta } from '../../core/events.ts'
import { meaningOf, type RanTool } from './server-tools.ts'

export interface ToolSenderOptions {
  /** Tools of the client. A call of one of these is passed on to the client. */
  declaredTools: ReadonlySet<string>
  /** Repairs the arguments of such a call. They are JSON text, as a rule. */
  mendArguments?: ((name: string, text: string) => string) | undefined
}

export interface ToolSender {
  /** Sends a tool once, and returns whether its call is for the client to answer. */
  send(tool: RanTool, out: Delta[]): boolean
  /** Whether a call with this id was sent. */
  hasSent(id: string): boolean
}

export function toolSender({ declaredTools, mendArguments }: ToolSenderOptions): ToolSender {
  const sent = new Set<string>()

  return {
    send(tool, out) {
      // An edit after a block that was sent brings the block again.
      if (tool.id !== '' && sent.has(tool.id)) return false
      const key = tool.id || `tool-${sent.size}`
      sent.add(key)
      if (!declaredTools.has(tool.name)) {
        out.push({ type: 'server-tool', tool: { ...tool, ...meaningOf(tool) } })
        return false
      }
      const args = mendArguments ? mendArguments(tool.name, tool.arguments) : tool.arguments
      out.push({ type: 'tool-call', key, id: key, name: tool.name, arguments: args })
      return true
    },
    hasSent: (id) => sent.has(id),
  }
}

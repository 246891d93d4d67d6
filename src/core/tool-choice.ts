import { type GatewayError, invalidField } from './errors.ts'
import type { ChatRequest } from './request.ts'
import { truncate, truncateList } from './truncate.ts'

/**
 * Rejects a tool choice that cannot be honoured: a plain text answer would look like success.
 *
 * Errors: `invalid-request` if the named tool is not offered, and if a call is required but the request has no tool
 * that can run here.
 */
export function rejectUnknownChoice({ tools, toolChoice, search, ignored, mcp }: ChatRequest): void {
  if (typeof toolChoice === 'object' && !tools.some(({ name }) => name === toolChoice.name))
    throw invalidChoice(`no tool is called \`${truncate(toolChoice.name)}\``)
  if (toolChoice !== 'required' || tools.length > 0 || search || mcp) return
  const dropped = ignored.filter((name) => name.startsWith('tools.'))
  const why = dropped.length > 0 ? `these do not run here: ${truncateList(dropped)}` : 'the request offers no tool'
  throw invalidChoice(`a call has to come, and ${why}. Offer a function, or leave tool_choice at auto.`)
}

/** The error for choosing a tool that the vendor would run itself (`image_generation`, `mcp`), by its type. */
export function unavailableChoice(type: string): GatewayError {
  return invalidChoice(
    `tools of the type \`${truncate(type)}\` do not run here. Offer a function, or leave tool_choice at auto.`,
  )
}

function invalidChoice(reason: string): GatewayError {
  return invalidField('tool_choice', reason)
}

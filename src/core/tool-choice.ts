import { type GatewayError, invalidField } from './errors.ts'
import type { ChatRequest } from './request.ts'
import { truncate, truncateList } from './truncate.ts'

/**
 * A choice nobody can keep is refused: a plain text in its place would look like success.
 *
 * Errors: `invalid-request` for the name of a tool that is not offered, and for a call that has to come where every
 * tool of the request is one that does not run here.
 */
export function rejectUnknownChoice({ tools, toolChoice, search, ignored }: ChatRequest): void {
  if (typeof toolChoice === 'object' && !tools.some(({ name }) => name === toolChoice.name))
    throw invalidChoice(`no tool is called \`${truncate(toolChoice.name)}\``)
  if (toolChoice !== 'required' || tools.length > 0 || search) return
  const dropped = ignored.filter((name) => name.startsWith('tools.'))
  const why = dropped.length > 0 ? `these do not run here: ${truncateList(dropped)}` : 'the request offers no tool'
  throw invalidChoice(`a call has to come, and ${why}. Offer a function, or leave tool_choice at auto.`)
}

/** A choice of a tool that the vendor would run itself (`image_generation`, `mcp`), by its type. */
export function unavailableChoice(type: string): GatewayError {
  return invalidChoice(
    `tools of the type \`${truncate(type)}\` do not run here. Offer a function, or leave tool_choice at auto.`,
  )
}

function invalidChoice(reason: string): GatewayError {
  return invalidField('tool_choice', reason)
}

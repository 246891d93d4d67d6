import type { PrepareAttachments, PrepareOptions } from '../attachments/index.ts'
import { withCallIds } from '../core/call-ids.ts'
import type { ChatRequest } from '../core/request.ts'
import { withCleanSchemas } from '../core/schema-keywords.ts'
import { withRepairedSchemas } from '../core/schema-repair.ts'
import type { ModelRoute } from './model-routing.ts'
import { resolveWebSearch, type SearchPolicy } from './web-search.ts'

export interface PrepareSettings {
  webSearch: SearchPolicy
  prepareAttachments: PrepareAttachments
}

/** A route with a request in the form that its upstream accepts. */
export interface PreparedRoute extends ModelRoute {
  /** The names of request fields that have no effect. */
  ignored: string[]
}

/**
 * The request in a form that every upstream accepts: calls have ids and names, and schemas have no keywords with value null
 * or of a wrong type. Errors: `invalid-request` for a schema that cannot be mended.
 */
export function cleaned(wanted: ChatRequest): ChatRequest {
  const request = withRepairedSchemas(withCleanSchemas(wanted))
  const messages = withCallIds(request.messages)
  return messages === request.messages ? request : { ...request, messages }
}

/** Returns a function that prepares a request for one upstream: decides on web search and converts attachments. */
export function preparerFor(
  { webSearch, prepareAttachments }: PrepareSettings,
  options: PrepareOptions,
): (route: ModelRoute) => Promise<PreparedRoute> {
  return async (found) => {
    const settled = resolveWebSearch(found, webSearch)
    const { upstream, model } = settled
    const request = await prepareAttachments(settled.request, settled, options)
    return { ...settled, request, ignored: [...request.ignored, ...upstream.ignored(request, model)] }
  }
}

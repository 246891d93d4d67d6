import { isWebAddress } from '../core/citations.ts'
import type { Delta } from '../core/events.ts'
import { type ChatRequest, textOf } from '../core/request.ts'
import type { Transform } from '../core/transform.ts'
import type { ModelRoute } from './model-routing.ts'

/** `on` searches whenever the client asks for it, `off` never, and `auto` not beside tools of the client. */
export const searchPolicies = ['auto', 'on', 'off'] as const
export type SearchPolicy = (typeof searchPolicies)[number]

/**
 * Decides whether the upstream searches the web. A search that was requested but does not happen is added to `ignored`.
 *
 * Agents add a hosted search to every request beside their own tools, and would pay for it on every turn. In that case
 * `auto` searches only if a search option, the tool choice or the model's name asks for it. An upstream that cannot
 * combine search and tools would search instead of calling the client's tools; it searches only if the tool choice
 * excludes them.
 */
export function resolveWebSearch(route: ModelRoute, policy: SearchPolicy): ModelRoute {
  const { request } = route
  if (!request.search || searches(route, policy)) return route
  return { ...route, request: { ...request, search: false, ignored: [...request.ignored, 'web_search'] } }
}

function searches({ upstream, model, request, searchByName }: ModelRoute, policy: SearchPolicy): boolean {
  if (policy === 'off' || !model.search) return false
  const toolsLost = upstream.ignored(request, model).includes('tools')
  const chosen = request.searchRules?.chosen === true
  if (request.tools.length === 0 || toolsLost || (chosen && request.toolChoice === 'none')) return true
  return upstream.searchesBesideTools === true && (policy === 'on' || searchByName || chosen)
}

/** Characters of the user's last message that replace an unknown query. */
const maxQueryLength = 200

/**
 * Shows the client the searches it asked for, as many as it allowed, and no other server tools of the upstream. If the
 * upstream does not tell the query, the beginning of the user's last message is used.
 */
export function searchFilter(request: ChatRequest): Transform<Delta, Delta> {
  let left = request.search ? (request.searchRules?.maxUses ?? Number.POSITIVE_INFINITY) : 0
  return {
    push(delta, out) {
      if (delta.type !== 'server-tool') {
        out.push(delta)
        return
      }
      const { tool } = delta
      if (tool.kind !== 'web-search' || left <= 0) return
      left--
      const sources = tool.sources.filter(({ url }) => isWebAddress(url))
      out.push({ type: 'server-tool', tool: { ...tool, query: tool.query ?? lastUserText(request), sources } })
    },
    end() {},
    passthrough: () => true,
  }
}

function lastUserText({ messages }: ChatRequest): string {
  const last = messages.findLast((message) => message.role === 'user')
  const words = last?.role === 'user' ? textOf(last.parts) : ''
  return words.replaceAll(/\s+/g, ' ').trim().slice(0, maxQueryLength).toWellFormed()
}

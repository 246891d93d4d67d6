import { isWebAddress } from '../core/citations.ts'
import type { Delta } from '../core/events.ts'
import { type ChatRequest, textOf } from '../core/request.ts'
import type { Transform } from '../core/transform.ts'
import type { ModelRoute } from './model-routing.ts'

/** `on` searches whenever it is asked for, `off` never; `auto` not where a request brings tools of its own. */
export const searchPolicies = ['auto', 'on', 'off'] as const
export type SearchPolicy = (typeof searchPolicies)[number]

/**
 * Decides whether the request searches. A search that was asked for and does not happen is named as not honoured.
 *
 * Agents put a hosted search into every request beside their own tools, and would pay for it on every turn: there,
 * `auto` searches only when an option of its own, the choice of tools or the model's name says so. An upstream that
 * cannot do both would search instead of calling the client's tools, so there it takes a choice that rules them out.
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

/** Characters of the user's words that stand in for a query nobody told. */
const longestQuery = 200

/**
 * Lets the client see the searches it asked for, as many as it allowed, and no other tool of the upstream's.
 * Where the upstream does not tell what it looked for, the user's last words stand in.
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
      out.push({ type: 'server-tool', tool: { ...tool, query: tool.query ?? lastWords(request), sources } })
    },
    end() {},
    passthrough: () => true,
  }
}

function lastWords({ messages }: ChatRequest): string {
  const last = messages.findLast((message) => message.role === 'user')
  const words = last?.role === 'user' ? textOf(last.parts) : ''
  return words.replaceAll(/\s+/g, ' ').trim().slice(0, longestQuery).toWellFormed()
}

import type { Clock } from '../../core/clock.ts'
import { asGatewayError } from '../../core/errors.ts'
import { type Pool, poolGauges } from '../../core/pool.ts'
import type { ChatRequest } from '../../core/request.ts'
import { withLegalToolNames } from '../../core/tool-names.ts'
import type { Upstream } from '../../core/upstream.ts'
import type { Fetch } from '../../wire/http.ts'
import { api } from './api.ts'
import { searchEngineOf } from './base.ts'
import { onlyDomain } from './encode.ts'
import { answerError, noKey } from './errors.ts'
import { alwaysThinks, catalogue, modelsIn, traitsOf } from './models.ts'
import { opener } from './open.ts'

export { apiBase } from './base.ts'

export interface ZaiApiOptions {
  /** Used in turn. */
  keys: string[]
  /** Ends in `/v4`, without a slash behind it. */
  baseUrl: string
  idleMs: number
  headersTimeoutMs: number
  modelsTtlMs: number
  /** How many characters of a reply are searched for one tool call written as text. */
  scanLimit: number
  tools: boolean
}

export interface ZaiApiDeps {
  fetch: Fetch
  clock: Clock
  /** Outlives this upstream: one that takes its place goes on with what is known of the keys. */
  pool: Pool<string>
  /** From 0 to 1. */
  random: () => number
  newUuid: () => string
  log: (level: 'info' | 'warn', message: string) => void
}

/** The vendor's official API, which speaks a narrower dialect of chat completions. */
export function zaiApi(options: ZaiApiOptions, deps: ZaiApiDeps): Upstream {
  const parts = {
    ...options,
    ...deps,
    api: api({ ...options, ...deps }),
    searchEngine: searchEngineOf(options.baseUrl),
  }
  const models = catalogue(parts)
  deps.pool.admit(
    options.keys.map((key, place) => ({
      id: `key ${place + 1}`,
      secret: `${options.baseUrl} ${key}`,
      rank: 0,
      create: () => key,
    })),
  )

  return {
    id: 'zai-api',
    enforcesMaxTokens: true,
    searchesBesideTools: true,
    models: models.list,
    unsupported: (request) => unsupported(request, options.tools),
    open: withLegalToolNames(opener(parts)),
    check,
    gauges: () => poolGauges(deps.pool.snapshot()),
  }

  /** One key that works is enough; else the first one's reason. */
  async function check(signal: AbortSignal): Promise<void> {
    const parked = deps.pool.verdict()
    if (parked !== undefined) throw parked
    let reason = noKey()
    for (const [place, key] of options.keys.entries()) {
      try {
        const answer = await parts.api.ask('/models', { key, signal })
        if (modelsIn(answer) !== undefined) return
        throw answerError(answer, deps.clock.now())
      } catch (thrown) {
        if (place === 0) reason = asGatewayError(thrown)
      }
    }
    throw reason
  }
}

function unsupported(request: ChatRequest, tools: boolean): string[] {
  const toolsLost = !tools && request.tools.length > 0
  const always = request.reasoning.mode === 'off' && alwaysThinks(traitsOf(request.model.replace(/^.*\//, '')))
  return [
    ...(toolsLost ? ['tools'] : []),
    ...(toolsLost && request.toolChoice !== 'auto' ? ['tool_choice'] : []),
    ...(always ? ['thinking'] : []),
    ...(request.messages.some(hasDocument) ? ['documents'] : []),
    ...searchLimits(request),
  ]
}

function searchLimits({ search, searchRules }: ChatRequest): string[] {
  if (!search) return []
  const lost = searchRules?.allowedDomains?.length && onlyDomain(searchRules) === undefined
  return [
    ...(lost ? ['web_search.allowed_domains'] : []),
    ...(searchRules?.blockedDomains?.length ? ['web_search.blocked_domains'] : []),
  ]
}

function hasDocument(message: ChatRequest['messages'][number]): boolean {
  return message.role !== 'system' && message.parts.some((part) => part.type === 'document')
}

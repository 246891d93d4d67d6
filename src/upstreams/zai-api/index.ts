import type { Clock } from '../../core/clock.ts'
import { asGatewayError } from '../../core/errors.ts'
import { type Pool, poolGauges } from '../../core/pool.ts'
import type { ChatRequest, UserPart } from '../../core/request.ts'
import { withLegalToolNames } from '../../core/tool-names.ts'
import type { Upstream } from '../../core/upstream.ts'
import { type ModelTable, modelTable } from '../../models/table.ts'
import type { Fetch } from '../../wire/http.ts'
import { api } from './api.ts'
import { isCodingPlan, searchEngineOf } from './base.ts'
import { onlyDomain } from './encode.ts'
import { answerError, noKey } from './errors.ts'
import { type ApiModel, alwaysThinks, catalogue, entriesIn } from './models.ts'
import { opener } from './open.ts'
import { preferred } from './preferred.ts'

export { apiBase } from './base.ts'

export interface ZaiApiOptions {
  /** Used in turn. */
  keys: string[]
  /** Ends in `/v4`, without a slash behind it. */
  baseUrl: string
  /** What is known of models. Default: what the program knows by itself. */
  table?: ModelTable
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
  const codingPlan = isCodingPlan(options.baseUrl)
  const table = options.table ?? modelTable()
  const edge = { ...options, ...deps, table, api: api({ ...options, ...deps }) }
  const models = catalogue({ ...edge, codingPlan })
  const parts = { ...edge, catalogue: models, searchEngine: searchEngineOf(options.baseUrl) }
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
    unlisted: models.unlisted,
    preferred: codingPlan ? preferred.codingPlan : preferred.general,
    unsupported: (request, model) => unsupported(request, models.traitsOf(model), options.tools),
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
        if (entriesIn(answer) !== undefined) return
        throw answerError(answer, deps.clock.now())
      } catch (thrown) {
        if (place === 0) reason = asGatewayError(thrown)
      }
    }
    throw reason
  }
}

function unsupported(request: ChatRequest, model: ApiModel, tools: boolean): string[] {
  const toolsLost = !tools && request.tools.length > 0
  return [
    ...(toolsLost ? ['tools'] : []),
    ...(toolsLost && request.toolChoice !== 'auto' ? ['tool_choice'] : []),
    ...reasoningLost(request, model),
    // It is sent as 1, the API's most.
    ...((request.sampling.temperature ?? 0) > 1 ? ['temperature'] : []),
    ...(request.messages.some((message) => hasPart(message, 'document')) && !model.files ? ['documents'] : []),
    ...(request.messages.some((message) => hasPart(message, 'video')) && !model.video ? ['videos'] : []),
    ...searchLimits(request),
  ]
}

function reasoningLost({ reasoning: { mode, effort } }: ChatRequest, model: ApiModel): string[] {
  if (mode === 'off') return alwaysThinks(model) ? ['thinking'] : []
  if (model.reasoning === 'never') return mode === 'on' ? ['thinking'] : []
  return effort !== undefined && model.efforts.length === 0 ? ['reasoning_effort'] : []
}

function searchLimits({ search, searchRules }: ChatRequest): string[] {
  if (!search) return []
  const lost = searchRules?.allowedDomains?.length && onlyDomain(searchRules) === undefined
  return [
    ...(lost ? ['web_search.allowed_domains'] : []),
    ...(searchRules?.blockedDomains?.length ? ['web_search.blocked_domains'] : []),
  ]
}

function hasPart(message: ChatRequest['messages'][number], type: UserPart['type']): boolean {
  return (message.role === 'user' || message.role === 'tool') && message.parts.some((part) => part.type === type)
}

import type { Clock } from '../../core/clock.ts'
import { type Pool, poolGauges } from '../../core/credential-pool.ts'
import { asGatewayError } from '../../core/errors.ts'
import type { Upstream } from '../../core/upstream.ts'
import type { Fetch } from '../../http-client/send.ts'
import { type ModelTable, modelTable } from '../../models/table.ts'
import { apiClient } from './client.ts'
import { ignoredFields } from './ignored.ts'
import { catalogue, entriesIn } from './models.ts'
import { opener } from './open.ts'
import type { Profile } from './profile.ts'

export interface ChatCompletionsOptions {
  /** Of this instance, as the configuration has it: `zai-api`. */
  id: string
  profile: Profile
  /** Used in turn; '' is the key of a server that asks for none. */
  keys: readonly string[]
  /** In front of `/chat/completions` and `/models`, without a slash at the end. */
  baseUrl: string
  /** The only models to offer; without it, all that the profile and the server's list have. */
  models?: readonly string[] | undefined
  /** What is known of models. Default: what the program knows by itself. */
  table?: ModelTable
  idleMs: number
  headersTimeoutMs: number
  modelsTtlMs: number
  /** How many characters of a reply are searched for one tool call written as text. */
  scanLimit: number
  tools: boolean
}

export interface ChatCompletionsDeps {
  fetch: Fetch
  clock: Clock
  /** Outlives this upstream: one that takes its place goes on with what is known of the keys. */
  pool: Pool<string>
  /** From 0 to 1. */
  random: () => number
  newUuid: () => string
  log: (level: 'info' | 'warn', message: string) => void
}

/** An upstream that speaks OpenAI's Chat Completions in the words of its profile. */
export function chatCompletions(options: ChatCompletionsOptions, deps: ChatCompletionsDeps): Upstream {
  const { id, profile, keys, baseUrl } = options
  const { errors, request: rules } = profile
  const table = options.table ?? modelTable()
  const edge = {
    ...options,
    ...deps,
    table,
    errors,
    client: apiClient({ ...options, ...deps, label: errors.label, headers: profile.headers }),
  }
  const models = catalogue({ ...edge, rules: profile.models, only: options.models })
  const open = opener({
    ...edge,
    catalogue: models,
    rules,
    ...(profile.takesAnyToolName ? { takesAnyToolName: true } : {}),
  })
  deps.pool.setMembers(
    keys.map((key, index) => ({
      id: key === '' ? id : `key ${index + 1}`,
      secret: `${baseUrl} ${key}`,
      rank: 0,
      create: () => key,
    })),
  )

  return {
    id,
    ...(profile.enforcesMaxTokens ? { enforcesMaxTokens: true } : {}),
    ...(profile.searchesBesideTools ? { searchesBesideTools: true } : {}),
    models: models.list,
    unlisted: models.unlisted,
    get preferred() {
      return profile.preferred ?? models.newestFirst()
    },
    ignored: (request, model) => ignoredFields(request, models.traitsOf(model), { rules, tools: options.tools }),
    open,
    answersWithoutThinking: (request, model) =>
      request.reasoning.mode !== 'off' && models.traitsOf(model).thinking === 'switch',
    check,
    gauges: () => poolGauges(deps.pool.snapshot()),
  }

  /** One key that works is enough; else the first one's reason. */
  async function check(signal: AbortSignal): Promise<void> {
    const suspended = deps.pool.availabilityError()
    if (suspended !== undefined) throw suspended
    let reason = errors.noKey()
    for (const [index, key] of keys.entries()) {
      try {
        const answer = await edge.client.ask('/models', { key, signal })
        if (entriesIn(answer, profile.models) !== undefined) return
        throw errors.ofResponse(answer, deps.clock.now())
      } catch (thrown) {
        if (index === 0) reason = asGatewayError(thrown)
      }
    }
    throw reason
  }
}

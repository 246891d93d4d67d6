import type { Clock } from '../../core/clock.ts'
import { type Pool, poolGauges } from '../../core/credential-pool.ts'
import { asGatewayError } from '../../core/errors.ts'
import { fingerprintOf } from '../../core/fingerprint.ts'
import type { Upstream } from '../../core/upstream.ts'
import type { Fetch } from '../../http-client/send.ts'
import { type ModelTable, modelTable } from '../../models/table.ts'
import { apiClient } from './client.ts'
import { embedder } from './embeddings.ts'
import { ignoredFields } from './ignored.ts'
import { catalogue, entriesIn } from './models.ts'
import { opener } from './open.ts'
import { paths } from './paths.ts'
import type { Profile } from './profile.ts'

export interface ChatCompletionsOptions {
  /** Id of this instance in the configuration: `zai-api`. */
  id: string
  profile: Profile
  /** Used in turn; '' is the key for a server that needs none. */
  keys: readonly string[]
  /** The setting that the keys come from: `ZAI_API_KEY`. */
  keysSetting: string
  /** The URL before `/chat/completions` and `/models`, without a trailing slash. */
  baseUrl: string
  /** The only models to offer. Without it, all models of the profile and of the server's list. */
  models?: readonly string[] | undefined
  /** Facts about models. Default: the built-in table. */
  table?: ModelTable
  idleMs: number
  headersTimeoutMs: number
  modelsTtlMs: number
  /** Longest part of a reply, in characters, that is searched for one tool call written as text. */
  scanLimit: number
  tools: boolean
}

export interface ChatCompletionsDeps {
  fetch: Fetch
  clock: Clock
  /** Outlives this upstream: its successor continues with what is known about the keys. */
  pool: Pool<string>
  /** From 0 to 1. */
  random: () => number
  newUuid: () => string
  log: (level: 'info' | 'warn', message: string) => void
}

/** An upstream with OpenAI's Chat Completions API, as its profile describes it. */
export function chatCompletions(options: ChatCompletionsOptions, deps: ChatCompletionsDeps): Upstream {
  const { id, profile, keys, baseUrl } = options
  const { errors, request: rules } = profile
  const table = options.table ?? modelTable()
  const shared = {
    ...options,
    ...deps,
    table,
    errors,
    client: apiClient({ ...options, ...deps, label: errors.label, headers: profile.headers }),
  }
  const models = catalogue({ ...shared, rules: profile.models, only: options.models })
  const preferred = profile.preferred?.(table)
  const open = opener({
    ...shared,
    catalogue: models,
    rules,
    ...(profile.takesAnyToolName ? { takesAnyToolName: true } : {}),
  })
  deps.pool.setMembers(
    keys.map((key, index) => ({
      id: key === '' ? id : `key ${index + 1}`,
      secret: `${baseUrl} ${key}`,
      fingerprint: key === '' ? undefined : fingerprintOf(key),
      setting: options.keysSetting,
      rank: 0,
      create: () => key,
    })),
  )

  return {
    id,
    vendor: profile.vendor,
    ...(profile.enforcesMaxTokens ? { enforcesMaxTokens: true } : {}),
    ...(profile.searchesBesideTools ? { searchesBesideTools: true } : {}),
    models: models.list,
    unlisted: models.unlisted,
    embeddings: {
      models: models.embedders,
      unlisted: models.unlistedEmbedder,
      mostTexts: profile.mostEmbeddedTexts,
      embed: embedder(shared),
    },
    get preferred() {
      return preferred ?? models.newestFirst()
    },
    ignored: (request, model) => ignoredFields(request, models.traitsOf(model), { rules, tools: options.tools }),
    open,
    answersWithoutReasoning: (request, model) =>
      request.reasoning.mode !== 'off' && models.traitsOf(model).reasoningSwitch === 'switch',
    check,
    async test(credential, signal) {
      const key = deps.pool.credentialOf(credential)
      if (key === undefined) throw errors.noKey()
      return { models: await modelsOf(key, signal) }
    },
    gauges: () => poolGauges(deps.pool.snapshot()),
  }

  /** Succeeds if one key works; otherwise throws the failure of the first key. */
  async function check(signal: AbortSignal): Promise<void> {
    const suspended = deps.pool.availabilityError()
    if (suspended !== undefined) throw suspended
    let reason = errors.noKey()
    for (const [index, key] of keys.entries()) {
      try {
        await modelsOf(key, signal)
        return
      } catch (thrown) {
        if (index === 0) reason = asGatewayError(thrown)
      }
    }
    throw reason
  }

  /** How many models the server lists. Errors: what it says instead. */
  async function modelsOf(key: string, signal: AbortSignal): Promise<number> {
    const answer = await shared.client.fetchWhole(paths.models, { key, signal })
    const listed = entriesIn(answer, profile.models.isChatModel)
    if (listed === undefined) throw errors.ofResponse(answer, deps.clock.now())
    return listed.length
  }
}

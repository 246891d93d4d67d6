import type { Clock } from '../../core/clock.ts'
import { type Pool, poolGauges } from '../../core/credential-pool.ts'
import type { ChatRequest, SearchOptions, UserPart } from '../../core/request.ts'
import type { Upstream } from '../../core/upstream.ts'
import { vendor } from '../../core/vendor.ts'
import { systemLookup } from '../../http-client/dns.ts'
import { fetchRemoteFile } from '../../http-client/remote-file.ts'
import type { Fetch } from '../../http-client/send.ts'
import { type ModelTable, modelTable } from '../../models/table.ts'
import type { CredentialSource } from './accounts/account-lease.ts'
import { webAccounts } from './accounts/index.ts'
import { webClient } from './client.ts'
import { type MessagesMode, takesEffort } from './encode.ts'
import { frontEndVersion } from './front-end-version.ts'
import { catalogue, type WebModel } from './models.ts'
import { opener } from './open.ts'

export type { CredentialSource } from './accounts/account-lease.ts'

export interface ZaiWebOptions {
  /** `https://chat.z.ai`, without a trailing slash. */
  baseUrl: string
  /** `/api/v2/chat/completions` */
  completionPath: string
  /** Facts about models. Default: the built-in table. */
  table?: ModelTable
  /** The user's own web tokens, used in turn. */
  tokens: string[]
  /** Used if there is neither a user token nor a guest. */
  backupToken: string | undefined
  /** Guests are allowed. */
  anonymous: boolean
  /** `prod-fe-1.1.98`: sent until the site's page has been read for the current version. */
  frontEndVersion: string
  signingKey: string
  sign: boolean
  /** Create a new chat for every request, as the browser does. */
  createChat: boolean
  messagesMode: MessagesMode
  /** Describe tools in the prompt, and read calls out of the reply. */
  tools: boolean
  /** Longest part of a reply, in characters, that is searched for one tool call. */
  scanLimit: number
  guestTtlMs: number
  modelsTtlMs: number
  idleMs: number
  headersTimeoutMs: number
  /** Largest image that is fetched for a client. */
  maxImageBytes: number
}

export interface ZaiWebDeps {
  fetch: Fetch
  clock: Clock
  /** Outlives this upstream: its successor continues with what is known about the accounts. */
  pool: Pool<CredentialSource>
  /** From 0 to 1. */
  random: () => number
  newUuid: () => string
  log: (level: 'info' | 'warn', message: string) => void
}

const imageTimeoutMs = 15_000

/**
 * The backend of Z.AI's web chat. It is undocumented; what is known about it is in this folder, each fact in one file.
 */
export function zaiWeb(options: ZaiWebOptions, deps: ZaiWebDeps): Upstream {
  const { fetch, clock } = deps
  const table = options.table ?? modelTable()
  const parts = { ...options, ...deps, table, client: webClient({ ...options, fetch, clock }) }
  const version = frontEndVersion({ ...parts, fallback: options.frontEndVersion })
  const accounts = webAccounts({ ...parts, version })
  const models = catalogue({ ...parts, version, accounts })

  return {
    id: 'zai-web',
    vendor,
    rejectsUnseenImages: true,
    models: models.list,
    unlisted: models.unlisted,
    ignored: (request, model) => [
      ...ignoredFields(request, models.traitsOf(model), options.tools),
      // Guests cannot send images.
      ...(!accounts.hasTokens && request.messages.some((message) => hasPart(message, 'image')) ? ['images'] : []),
    ],
    answersWithoutReasoning: (request, model) =>
      request.reasoning.mode === 'on' && models.traitsOf(model).reasoning === 'on-request',
    open: opener({
      ...parts,
      version,
      accounts,
      catalogue: models,
      fetchImage: (url, signal) =>
        fetchRemoteFile(url, {
          maxBytes: options.maxImageBytes,
          timeoutMs: imageTimeoutMs,
          fetch,
          clock,
          signal,
          lookup: systemLookup,
        }),
    }),
    async check(signal) {
      const suspended = deps.pool.availabilityError()
      if (suspended !== undefined) throw suspended
      await accounts.peek(signal)
    },
    async test(credential, signal) {
      await accounts.test(credential, signal)
      return {}
    },
    gauges: () => poolGauges(deps.pool.snapshot()),
  }
}

function ignoredFields(request: ChatRequest, model: WebModel, tools: boolean): string[] {
  const ignoresTools = !tools && request.tools.length > 0
  return [
    ...(ignoresTools ? ['tools'] : []),
    ...(ignoresTools && request.toolChoice !== 'auto' ? ['tool_choice'] : []),
    ...ignoredReasoning(request, model),
    ...(request.messages.some((message) => hasPart(message, 'document')) ? ['documents'] : []),
    ...(request.messages.some((message) => hasPart(message, 'video')) ? ['videos'] : []),
    ...ignoredSearch(request),
  ]
}

function ignoredReasoning({ reasoning: { mode, effort, budgetTokens } }: ChatRequest, model: WebModel): string[] {
  if (mode === 'off') return model.reasoning === 'by-default' ? ['thinking'] : []
  if (model.reasoning === 'never') return mode === 'on' ? ['thinking'] : []
  return [
    ...(effort !== undefined && !takesEffort(effort, model) ? ['reasoning_effort'] : []),
    ...(budgetTokens === undefined ? [] : ['thinking.budget_tokens']),
  ]
}

/** The options by the names that clients use. */
const searchOptions: readonly [keyof SearchOptions, string][] = [
  ['engine', 'web_search.search_engine'],
  ['query', 'web_search.search_query'],
  ['prompt', 'web_search.search_prompt'],
  ['recency', 'web_search.search_recency_filter'],
  ['contentSize', 'web_search.content_size'],
  ['count', 'web_search.count'],
  ['required', 'web_search.require_search'],
]

/** Search settings that are ignored: the site chooses where it searches. */
function ignoredSearch({ search, searchRules }: ChatRequest): string[] {
  if (!search) return []
  return [
    ...(searchRules?.allowedDomains?.length ? ['web_search.allowed_domains'] : []),
    ...(searchRules?.blockedDomains?.length ? ['web_search.blocked_domains'] : []),
    ...searchOptions.flatMap(([option, name]) => (searchRules?.options?.[option] === undefined ? [] : [name])),
  ]
}

function hasPart(message: ChatRequest['messages'][number], type: UserPart['type']): boolean {
  return (message.role === 'user' || message.role === 'tool') && message.parts.some((part) => part.type === type)
}

import type { Clock } from '../../core/clock.ts'
import { type Pool, poolGauges } from '../../core/credential-pool.ts'
import type { ChatRequest, SearchOptions, UserPart } from '../../core/request.ts'
import type { Upstream } from '../../core/upstream.ts'
import { systemLookup } from '../../http-client/dns.ts'
import { fetchRemoteFile } from '../../http-client/remote-file.ts'
import type { Fetch } from '../../http-client/send.ts'
import { type ModelTable, modelTable } from '../../models/table.ts'
import { webClient } from './client.ts'
import { type MessagesMode, takesEffort } from './encode.ts'
import { frontEndVersion } from './front-end-version.ts'
import { catalogue, type WebModel } from './models.ts'
import { opener } from './open.ts'
import { type CredentialSource, sessions } from './sessions.ts'

export type { CredentialSource } from './sessions.ts'

export interface ZaiWebOptions {
  /** `https://chat.z.ai`, without a slash at the end. */
  baseUrl: string
  /** `/api/v2/chat/completions` */
  completionPath: string
  /** What is known of models. Default: what the program knows by itself. */
  table?: ModelTable
  /** The user's own web tokens, used in turn. */
  tokens: string[]
  /** Used when neither a user token nor a guest can be had. */
  backupToken: string | undefined
  /** Guests are allowed. */
  anonymous: boolean
  /** `prod-fe-1.1.98`: said until the site has told its own. */
  frontEndVersion: string
  signingKey: string
  sign: boolean
  /** A chat of its own for every request, as the browser does it. */
  createChat: boolean
  messagesMode: MessagesMode
  /** Tools are told in the prompt and calls read out of the reply. */
  tools: boolean
  /** How many characters of a reply are searched for one tool call. */
  scanLimit: number
  guestTtlMs: number
  modelsTtlMs: number
  idleMs: number
  headersTimeoutMs: number
  /** Of an image that is fetched for the client. */
  maxImageBytes: number
}

export interface ZaiWebDeps {
  fetch: Fetch
  clock: Clock
  /** Outlives this upstream: one that takes its place goes on with what is known of the accounts. */
  pool: Pool<CredentialSource>
  /** From 0 to 1. */
  random: () => number
  newUuid: () => string
  log: (level: 'info' | 'warn', message: string) => void
}

const imageTimeoutMs = 15_000

/** The chat web backend. Undocumented: what is known of it stands in this folder, each fact in one file. */
export function zaiWeb(options: ZaiWebOptions, deps: ZaiWebDeps): Upstream {
  const { fetch, clock } = deps
  const table = options.table ?? modelTable()
  const parts = { ...options, ...deps, table, client: webClient({ ...options, fetch, clock }) }
  const version = frontEndVersion({ ...parts, fallback: options.frontEndVersion })
  const sessionPool = sessions({ ...parts, version })
  const models = catalogue({ ...parts, version, sessions: sessionPool })

  return {
    id: 'zai-web',
    rejectsUnseenImages: true,
    models: models.list,
    unlisted: models.unlisted,
    ignored: (request, model) => [
      ...ignoredFields(request, models.traitsOf(model), options.tools),
      // Guests cannot send any.
      ...(!sessionPool.hasAccounts && request.messages.some((message) => hasPart(message, 'image')) ? ['images'] : []),
    ],
    answersWithoutThinking: (request, model) =>
      request.reasoning.mode === 'on' && models.traitsOf(model).reasoning === 'on-request',
    open: opener({
      ...parts,
      version,
      sessions: sessionPool,
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
      await sessionPool.peek(signal)
    },
    gauges: () => poolGauges(deps.pool.snapshot()),
  }
}

function ignoredFields(request: ChatRequest, model: WebModel, tools: boolean): string[] {
  const toolsLost = !tools && request.tools.length > 0
  return [
    ...(toolsLost ? ['tools'] : []),
    ...(toolsLost && request.toolChoice !== 'auto' ? ['tool_choice'] : []),
    ...reasoningLost(request, model),
    ...(request.messages.some((message) => hasPart(message, 'document')) ? ['documents'] : []),
    ...(request.messages.some((message) => hasPart(message, 'video')) ? ['videos'] : []),
    ...searchLimits(request),
  ]
}

function reasoningLost({ reasoning: { mode, effort, budgetTokens } }: ChatRequest, model: WebModel): string[] {
  if (mode === 'off') return model.reasoning === 'by-default' ? ['thinking'] : []
  if (model.reasoning === 'never') return mode === 'on' ? ['thinking'] : []
  return [
    ...(effort !== undefined && !takesEffort(effort, model) ? ['reasoning_effort'] : []),
    ...(budgetTokens === undefined ? [] : ['thinking.budget_tokens']),
  ]
}

/** By the names clients give them. */
const searchOptions: readonly [keyof SearchOptions, string][] = [
  ['engine', 'web_search.search_engine'],
  ['query', 'web_search.search_query'],
  ['prompt', 'web_search.search_prompt'],
  ['recency', 'web_search.search_recency_filter'],
  ['contentSize', 'web_search.content_size'],
  ['count', 'web_search.count'],
  ['required', 'web_search.require_search'],
]

/** The site searches where it likes. */
function searchLimits({ search, searchRules }: ChatRequest): string[] {
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

import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { refreshWhenOld } from '../../async/refresh-when-old.ts'
import type { Clock } from '../../core/clock.ts'
import { defaultModel, defaultSmallModel } from '../../core/default-models.ts'
import type { Model } from '../../core/upstream.ts'
import { modelOf } from '../../models/model.ts'
import type { ModelTable } from '../../models/table.ts'
import type { WebAccounts } from './accounts/index.ts'
import type { WebClient } from './client.ts'
import type { FrontEndVersion } from './front-end-version.ts'

/** A model with the facts that only requests to this upstream need. */
export interface WebModel extends Model {
  /** Takes `features.reasoning_effort`. */
  reasoningEffort: boolean
  /** The server for web search; its name differs between models. */
  searchServer: 'deep-web-search' | 'advanced-search'
}

export interface Catalogue {
  /** The live list; if it cannot be read, the last one read, or the models known before. Never rejects. */
  list(): Promise<WebModel[]>
  unlisted(name: string, named: boolean): WebModel | undefined
  /** The traits of a model from the last known list, by its upstream name. Does not wait. */
  traitsOf(model: Model): WebModel
}

export interface CatalogueOptions {
  client: WebClient
  clock: Clock
  version: FrontEndVersion
  accounts: WebAccounts
  table: ModelTable
  modelsTtlMs: number
  log: (level: 'info' | 'warn', message: string) => void
}

export function catalogue(options: CatalogueOptions): Catalogue {
  const { client, clock, version, accounts, table, modelsTtlMs, log } = options
  const knownModels = table.named.flatMap(({ id, webName }) =>
    webName === undefined ? [] : [webModel(id, webName, table)],
  )
  let known = knownModels
  let isLive = false

  const refreshed = refreshWhenOld({
    // Its time includes that to create a guest.
    async read(signal) {
      known = merge(await live(signal))
      isLive = true
    },
    onFailure: () =>
      log('warn', `${new URL(client.origin).host} did not tell its models; going by the ones known before.`),
    keepMs: modelsTtlMs,
    clock,
  })

  return {
    async list() {
      await refreshed()
      return known
    },
    // Once the live list is known, other names are used only if they were addressed to this upstream.
    unlisted: (name, named) => (named || (!isLive && /^glm-/i.test(name)) ? webModel(name, name, table) : undefined),
    traitsOf: (model) =>
      known.find(({ upstreamId }) => upstreamId === model.upstreamId) ?? { ...model, ...plainTraits },
  }

  async function live(signal: AbortSignal): Promise<LiveModel[]> {
    const { token } = await accounts.peek(signal)
    const answer = await client.fetchWhole('/api/models', { token, version: await version.current(signal), signal })
    if (!answer.ok) throw new Error(`status ${answer.status}`)
    const entries = Value.Parse(LiveList, JSON.parse(answer.text)).data.filter((entry) => Value.Check(LiveModel, entry))
    if (entries.length === 0) throw new Error('an empty list')
    return entries
  }

  /** The models of the live list, plus the models that are always offered because every client asks for them. */
  function merge(entries: LiveModel[]): WebModel[] {
    const models = new Map<string, WebModel>()
    for (const entry of entries) {
      if (entry.info?.is_active === false) continue
      const model = fromLive(entry)
      if (!models.has(model.id)) models.set(model.id, model)
    }
    for (const model of knownModels)
      if (alwaysOffered.has(model.id) && !models.has(model.id)) models.set(model.id, model)
    return [...models.values()]
  }

  function fromLive({ id, name, created, info }: LiveModel): WebModel {
    const listed = knownModels.find(({ upstreamId }) => upstreamId === id)
    const capabilities = info?.meta?.capabilities ?? {}
    const model = listed ?? webModel((info?.name || name || id).trim().replace(/\s+/g, '-'), id, table)
    const maxOutputTokens = info?.params?.max_tokens ?? undefined
    return {
      ...model,
      createdAtSeconds: created ?? model.createdAtSeconds,
      vision: capabilities.vision ?? model.vision,
      reasoning: (capabilities.think ?? true) ? reasoningOf(model.id) : 'never',
      search: capabilities.web_search ?? model.search,
      ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
      reasoningEffort: capabilities.reasoning_effort ?? false,
      searchServer: info?.meta?.mcpServerIds?.includes('advanced-search') ? 'advanced-search' : 'deep-web-search',
    }
  }
}

/** From GLM-5 on, models always reason. Requesting it keeps the reasoning out of the answer. */
function reasoningOf(publicName: string): Model['reasoning'] {
  return /^glm-([5-9]|\d\d)/i.test(publicName) ? 'by-default' : 'on-request'
}

const alwaysOffered: ReadonlySet<string> = new Set([defaultModel, defaultSmallModel])

const plainTraits = { reasoningEffort: false, searchServer: 'deep-web-search' } as const

/** The site limits answers by itself, and has been seen to accept only images. */
function webModel(name: string, upstreamId: string, table: ModelTable): WebModel {
  const { maxOutputTokens: _, price: _free, ...model } = modelOf(table.of(name), upstreamId)
  return { ...model, video: false, files: false, reasoning: reasoningOf(model.id), ...plainTraits }
}

const optional = <T extends Parameters<typeof Type.Optional>[0]>(schema: T) =>
  Type.Optional(Type.Union([schema, Type.Null()]))

const LiveModel = Type.Object(
  {
    id: Type.String({ minLength: 1 }),
    name: optional(Type.String()),
    created: optional(Type.Number()),
    info: optional(
      Type.Object(
        {
          name: optional(Type.String()),
          is_active: optional(Type.Boolean()),
          params: optional(Type.Object({ max_tokens: optional(Type.Number()) }, { additionalProperties: true })),
          meta: optional(
            Type.Object(
              {
                capabilities: optional(Type.Record(Type.String(), Type.Boolean())),
                mcpServerIds: optional(Type.Array(Type.String())),
              },
              { additionalProperties: true },
            ),
          ),
        },
        { additionalProperties: true },
      ),
    ),
  },
  { additionalProperties: true },
)
type LiveModel = Static<typeof LiveModel>

const LiveList = Type.Object({ data: Type.Array(Type.Unknown()) }, { additionalProperties: true })

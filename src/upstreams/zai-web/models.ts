import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { Clock } from '../../core/clock.ts'
import type { Model } from '../../core/upstream.ts'
import { shared } from '../../wire/shared.ts'
import type { Sessions } from './session.ts'
import type { Site } from './site.ts'
import type { FrontEndVersion } from './version.ts'

/** Longest wait for the live list, the minting of a guest included. */
const waitMs = 5_000
/** After a list that did not come. */
const keepAfterFailureMs = 60_000

/** A model with what only this upstream's requests need to know. */
export interface WebModel extends Model {
  /** Takes `features.reasoning_effort`. */
  reasoningEffort: boolean
  /** The server behind web search; its name differs from model to model. */
  searchServer: 'deep-web-search' | 'advanced-search'
}

export interface Catalogue {
  /** The live list, else the last one seen, else the table. Never rejects. */
  list(): Promise<WebModel[]>
  /** Without waiting: the model as last seen, its upstream name given. */
  traitsOf(model: Model): WebModel
}

export interface CatalogueOptions {
  site: Site
  clock: Clock
  version: FrontEndVersion
  sessions: Sessions
  modelsTtlMs: number
  log: (level: 'info' | 'warn', message: string) => void
}

export function catalogue({ site, clock, version, sessions, modelsTtlMs, log }: CatalogueOptions): Catalogue {
  let known = table
  let goodUntil = Number.NEGATIVE_INFINITY

  const refresh = shared(async () => {
    const deadline = new AbortController()
    const stop = clock.after(waitMs, () => deadline.abort())
    try {
      known = merge(await live(deadline.signal))
      goodUntil = clock.monotonic() + modelsTtlMs
    } catch {
      goodUntil = clock.monotonic() + keepAfterFailureMs
      log('warn', `${new URL(site.origin).host} did not tell its models; going by the ones known before.`)
    } finally {
      stop()
    }
    return known
  })

  return {
    async list() {
      return clock.monotonic() < goodUntil ? known : refresh(new AbortController().signal)
    },
    traitsOf: (model) =>
      known.find(({ upstreamId }) => upstreamId === model.upstreamId) ?? {
        ...model,
        reasoningEffort: false,
        searchServer: 'deep-web-search',
      },
  }

  async function live(signal: AbortSignal): Promise<LiveModel[]> {
    const { token } = await sessions.peek(signal)
    const answer = await site.ask('/api/models', { token, version: await version.current(signal), signal })
    if (!answer.ok) throw new Error(`status ${answer.status}`)
    const entries = Value.Parse(LiveList, JSON.parse(answer.text)).data.filter((entry) => Value.Check(LiveModel, entry))
    if (entries.length === 0) throw new Error('an empty list')
    return entries
  }
}

/** The live list is the truth, except that the models every client asks for are always offered. */
function merge(entries: LiveModel[]): WebModel[] {
  const models = new Map<string, WebModel>()
  for (const entry of entries) {
    if (entry.info?.is_active === false) continue
    const model = fromLive(entry)
    if (!models.has(model.id)) models.set(model.id, model)
  }
  for (const model of table) if (alwaysOffered.has(model.id) && !models.has(model.id)) models.set(model.id, model)
  return [...models.values()]
}

function fromLive({ id, name, created, info }: LiveModel): WebModel {
  const listed = table.find(({ upstreamId }) => upstreamId === id)
  const capabilities = info?.meta?.capabilities ?? {}
  const publicName = listed?.id ?? (info?.name || name || id).trim().replace(/\s+/g, '-')
  const maxOutputTokens = info?.params?.max_tokens ?? undefined
  return {
    id: publicName,
    upstreamId: id,
    createdAtSeconds: created ?? listed?.createdAtSeconds ?? 0,
    vision: capabilities.vision ?? listed?.vision ?? false,
    reasoning: (capabilities.think ?? true) ? reasoningOf(publicName) : 'never',
    search: capabilities.web_search ?? listed?.search ?? false,
    ...(listed?.contextTokens === undefined ? {} : { contextTokens: listed.contextTokens }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    reasoningEffort: capabilities.reasoning_effort ?? false,
    searchServer: info?.meta?.mcpServerIds?.includes('advanced-search') ? 'advanced-search' : 'deep-web-search',
  }
}

function reasoningOf(publicName: string): Model['reasoning'] {
  return thinksByItself(publicName) ? 'by-default' : 'on-request'
}

/** The fifth generation thinks whatever it is told; asking for it keeps the thinking out of the answer. */
export function thinksByItself(publicName: string): boolean {
  return /^(.*\/)?glm-5/i.test(publicName)
}

const alwaysOffered: ReadonlySet<string> = new Set(['GLM-4.5', 'GLM-4.5-Air'])

/**
 * What the site has been seen to offer, newest first: public name, wire name, first seen, context length.
 * Sources: public clients of the site; context lengths from the vendor's model pages.
 */
const table: WebModel[] = [
  row('GLM-5.3', 'glm-5.3', '2026-08-01', undefined),
  row('GLM-5.3-Flash', 'x-preview-l', '2026-09-01', undefined),
  row('GLM-5.2', 'glm-5.2', '2026-06-01', 1_000_000),
  row('GLM-5.1', 'GLM-5.1', '2026-04-01', 200_000),
  row('GLM-5-Turbo', 'GLM-5-Turbo', '2026-03-01', 200_000),
  row('GLM-5V-Turbo', 'GLM-5v-Turbo', '2026-04-01', 200_000),
  row('GLM-5', 'glm-5', '2026-02-01', 200_000),
  row('GLM-4.7', 'glm-4.7', '2025-12-01', 200_000),
  row('GLM-4.6V', 'glm-4.6v', '2025-12-01', 128_000),
  row('GLM-4.6', 'GLM-4-6-API-V1', '2025-10-01', 200_000),
  row('GLM-4.5V', 'glm-4.5v', '2025-08-01', 64_000),
  row('GLM-4.5', '0727-360B-API', '2025-08-01', 128_000),
  row('GLM-4.5-Air', '0727-106B-API', '2025-08-01', 128_000),
]

function row(id: string, upstreamId: string, firstSeen: string, contextTokens: number | undefined): WebModel {
  const vision = /^GLM-[\d.]+V/.test(id)
  return {
    id,
    upstreamId,
    createdAtSeconds: Date.parse(firstSeen) / 1000,
    vision,
    reasoning: reasoningOf(id),
    search: !vision,
    ...(contextTokens === undefined ? {} : { contextTokens }),
    reasoningEffort: false,
    searchServer: 'deep-web-search',
  }
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

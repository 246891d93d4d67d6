import type { Clock } from '../../core/clock.ts'
import type { Reasoning } from '../../core/request.ts'
import type { Model } from '../../core/upstream.ts'
import type { Answer } from '../../wire/answer.ts'
import { shared } from '../../wire/shared.ts'
import type { Api } from './api.ts'
import { type ModelEntry, modelEntry, modelList } from './schema.ts'

/** Longest wait for the live list. */
const waitMs = 5_000
/** After a list that did not come. */
const keepAfterFailureMs = 60_000

type Effort = NonNullable<Reasoning['effort']>

/** A model with what only this upstream's requests need to know. */
export interface ApiModel extends Model {
  /** How it takes `thinking`: not at all, on and off, or on alone. */
  thinking: 'none' | 'switch' | 'always'
  /** How it takes `reasoning_effort`, if it does: our word to its own. */
  efforts: Record<Effort, string> | undefined
  /** Takes `tool_stream`. */
  toolStream: boolean
}

export interface Catalogue {
  /** The table and what the live list adds to it. Never rejects. */
  list(): Promise<ApiModel[]>
}

export interface CatalogueOptions {
  api: Api
  keys: readonly string[]
  clock: Clock
  modelsTtlMs: number
  log: (level: 'info' | 'warn', message: string) => void
}

/** The list is undocumented and leaves models out that work, so it only ever adds to the table, or mends a length. */
export function catalogue({ api, keys, clock, modelsTtlMs, log }: CatalogueOptions): Catalogue {
  let known = table
  let asked = 0
  let goodUntil = Number.NEGATIVE_INFINITY

  const refresh = shared(async () => {
    const deadline = new AbortController()
    const stop = clock.after(waitMs, () => deadline.abort())
    try {
      known = merge(await live(deadline.signal))
      goodUntil = clock.monotonic() + modelsTtlMs
    } catch {
      goodUntil = clock.monotonic() + keepAfterFailureMs
      log('warn', `${api.host} did not tell its models; going by the ones known before.`)
    } finally {
      stop()
    }
    return known
  })

  return {
    async list() {
      return clock.monotonic() < goodUntil ? known : refresh(new AbortController().signal)
    },
  }

  async function live(signal: AbortSignal): Promise<ApiModel[]> {
    const key = keys[asked++ % keys.length]
    if (key === undefined) throw new Error('no key')
    const listed = modelsIn(await api.ask('/models', { key, signal }))
    if (listed === undefined) throw new Error('no list')
    return listed
  }
}

/** The chat models an answer lists, or `undefined` when it is no list. */
export function modelsIn({ ok, text }: Answer): ApiModel[] | undefined {
  const body = ok ? parse(text) : undefined
  if (!modelList.Check(body)) return undefined
  return body.data.flatMap((entry) => (modelEntry.Check(entry) && isChatModel(entry.id) ? [listedModel(entry)] : []))
}

/** The vendor's own list tells no lengths; those of servers that speak its language do. */
function listedModel({ id, created, context_length, max_output_tokens }: ModelEntry): ApiModel {
  return {
    ...modelOf(id, created ?? 0),
    ...(context_length ? { contextTokens: context_length } : {}),
    ...(max_output_tokens ? { maxOutputTokens: max_output_tokens } : {}),
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function merge(listed: readonly ApiModel[]): ApiModel[] {
  const models = new Map(table.map((model) => [model.upstreamId.toLowerCase(), model]))
  for (const model of listed) {
    const name = model.upstreamId.toLowerCase()
    const { contextTokens, maxOutputTokens } = model
    models.set(name, {
      ...(models.get(name) ?? model),
      ...(contextTokens === undefined ? {} : { contextTokens }),
      ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    })
  }
  return [...models.values()]
}

/** The list also has pictures, speech and embeddings: `cogview-4`, `glm-asr`, `embedding-3`. */
function isChatModel(id: string): boolean {
  return /^glm-\d/i.test(id)
}

/** Told not to think, it thinks as little as it can. */
export function alwaysThinks({ reasoning, thinking }: Pick<ApiModel, 'reasoning' | 'thinking'>): boolean {
  return reasoning !== 'never' && thinking !== 'switch'
}

/** A model with what its name tells. */
export function withTraits(model: Model): ApiModel {
  const known = told.get(model)
  if (known) return known
  const found = { ...traitsOf(model.upstreamId), ...model }
  told.set(model, found)
  return found
}

/** The same few models are asked for with every request. */
const told = new WeakMap<Model, ApiModel>()

/** What a model takes, by its name: generation and `v` for vision. Asked for any name, of the table or not. */
export function traitsOf(id: string): Omit<ApiModel, 'id' | 'upstreamId' | 'createdAtSeconds'> {
  const [, major = '0', minor = '0', v = ''] = /^glm-(\d+)(?:\.(\d+))?(v)?/i.exec(id) ?? []
  const since = (wantedMajor: number, wantedMinor: number) =>
    Number(major) > wantedMajor || (Number(major) === wantedMajor && Number(minor) >= wantedMinor)
  const vision = v !== ''
  return {
    vision,
    reasoning: since(4, 5) || id.includes('thinking') ? 'by-default' : 'never',
    thinking: since(5, 3) ? 'always' : since(4, 5) ? 'switch' : 'none',
    efforts: vision ? undefined : since(5, 3) ? threeEfforts : since(5, 2) ? allEfforts : undefined,
    toolStream: since(4, 6),
    search: !vision,
  }
}

const allEfforts = { low: 'low', medium: 'medium', high: 'high', max: 'max' } satisfies Record<Effort, string>
/** "use low, high, or max" */
const threeEfforts = { ...allEfforts, medium: 'high' } satisfies Record<Effort, string>

function modelOf(id: string, createdAtSeconds: number): ApiModel {
  return { id, upstreamId: id, createdAtSeconds, ...traitsOf(id) }
}

const K = 1024

/**
 * Names as the API has them, newest first: first seen, context in tokens, longest output in tokens.
 * Source: the vendor's model pages of 2026-07. Later rows come from its users, who tell no lengths; those are assumed
 * to be the ones of the last model of the same size before, so that clients know when to compact.
 */
const table: ApiModel[] = [
  ...rows(['glm-5.3'], '2026-08-01', 1_000_000, 128 * K), // assumed: those of glm-5.2
  ...rows(['glm-5.3-flash', 'glm-5.3-flashx'], '2026-08-01', 200_000, 128 * K), // assumed: those of glm-4.7-flash
  ...rows(['glm-5.2'], '2026-06-01', 1_000_000, 128 * K),
  ...rows(['glm-5.1', 'glm-5.1-highspeed'], '2026-04-01', 200_000, 128 * K),
  ...rows(['glm-5v-turbo'], '2026-04-01', 200_000, 128 * K),
  ...rows(['glm-5-turbo'], '2026-03-01', 200_000, 128 * K),
  ...rows(['glm-5'], '2026-02-01', 200_000, 128 * K),
  ...rows(['glm-4.7', 'glm-4.7-flash', 'glm-4.7-flashx'], '2025-12-01', 200_000, 128 * K),
  ...rows(['glm-4.6v', 'glm-4.6v-flash', 'glm-4.6v-flashx'], '2025-12-01', 128_000, 32 * K),
  ...rows(['glm-4.6'], '2025-10-01', 200_000, 128 * K),
  ...rows(['glm-4.5v'], '2025-08-01', 64_000, 16 * K),
  ...rows(['glm-4.5', 'glm-4.5-air', 'glm-4.5-x', 'glm-4.5-airx', 'glm-4.5-flash'], '2025-08-01', 128_000, 96 * K),
  ...rows(['glm-4.1v-thinking-flash', 'glm-4.1v-thinking-flashx'], '2025-07-01', 64_000, 16 * K),
  ...rows(['glm-4-32b-0414-128k', 'glm-4-flash-250414', 'glm-4-flashx-250414'], '2025-04-14', 128_000, 16 * K),
]

function rows(ids: string[], firstSeen: string, contextTokens: number, maxOutputTokens: number): ApiModel[] {
  return ids.map((id) => ({ ...modelOf(id, Date.parse(firstSeen) / 1000), contextTokens, maxOutputTokens }))
}

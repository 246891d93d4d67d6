import type { Clock } from '../../core/clock.ts'
import type { GatewayError } from '../../core/errors.ts'
import { parseJson } from '../../core/json.ts'
import type { Model } from '../../core/upstream.ts'
import { modelOf } from '../../models/model.ts'
import type { EffortWord } from '../../models/row.ts'
import type { ModelFacts, ModelTable } from '../../models/table.ts'
import type { Answer } from '../../wire/answer.ts'
import { shared } from '../../wire/shared.ts'
import type { Api } from './api.ts'
import { type ModelEntry, modelEntry, modelList } from './schema.ts'

/** Longest wait for the live list. */
const waitMs = 5_000
/** After a list that did not come. */
const keepAfterFailureMs = 60_000
/** Plans change, and models are added to them. */
const refusedForMs = 60 * 60_000

/** A model with what only this upstream's requests need to know. */
export interface ApiModel extends Model {
  /** How it takes `thinking`: not at all, on and off, or on alone. */
  thinking: 'none' | 'switch' | 'always'
  /** The words of `reasoning_effort` it takes. */
  efforts: readonly EffortWord[]
  /** Takes `tool_stream`. */
  toolStream: boolean
  /** Takes pictures in `tool` messages. */
  imagesInToolResults: boolean
}

export interface Catalogue {
  /** The table and what the live list adds to it. Never rejects. */
  list(): Promise<ApiModel[]>
  unlisted(name: string, named: boolean): ApiModel | undefined
  /** A model as requests need it, of this catalogue or not. */
  traitsOf(model: Model): ApiModel
  /** Learns from how a call of the model ended, `undefined` for well, which models the credentials may use. */
  learn(model: ApiModel, error: GatewayError | undefined): void
}

export interface CatalogueOptions {
  api: Api
  keys: readonly string[]
  table: ModelTable
  /** The keys are of the coding plan. */
  codingPlan: boolean
  clock: Clock
  modelsTtlMs: number
  log: (level: 'info' | 'warn', message: string) => void
}

/**
 * The list is undocumented and leaves models out that work, so it only ever adds to the table, or mends a length. What
 * a key may use only a refusal tells: a refused model is marked for an hour.
 */
export function catalogue({ api, keys, table, codingPlan, clock, modelsTtlMs, log }: CatalogueOptions): Catalogue {
  const rows = table.named.filter(({ plan }) => plan !== 'coding' || codingPlan).map((facts) => apiModel(facts))
  let known = rows
  let asked = 0
  let goodUntil = Number.NEGATIVE_INFINITY
  // The last question hung: no request waits for the next one.
  let hangs = false
  // By the API's own name, the time until which the model counts as refused; and the list with these marks.
  const refusedUntil = new Map<string, number>()
  let marked: ApiModel[] | undefined

  const refresh = shared(async () => {
    const deadline = new AbortController()
    const stop = clock.after(waitMs, () => deadline.abort())
    try {
      known = merge(rows, await live(deadline.signal))
      marked = undefined
      goodUntil = clock.monotonic() + modelsTtlMs
      hangs = false
    } catch {
      goodUntil = clock.monotonic() + keepAfterFailureMs
      hangs = deadline.signal.aborted
      log('warn', `${api.host} did not tell its models; going by the ones known before.`)
    } finally {
      stop()
    }
  })

  return {
    async list() {
      if (clock.monotonic() >= goodUntil) {
        const goesOn = hangs
        const asked = refresh(new AbortController().signal)
        if (!goesOn) await asked
      }
      return withRefusals()
    },
    unlisted(name, named) {
      if (isFamiliar(name)) return apiModel(table.of(name))
      return named ? apiModel(table.of(name), name) : undefined
    },
    traitsOf: (model) => (isApiModel(model) ? model : { ...apiModel(table.of(model.upstreamId)), ...model }),
    learn({ upstreamId }, error) {
      // Of names that clients make up nothing is kept.
      if (!known.some((model) => model.upstreamId === upstreamId)) return
      const isRefusal = error?.code === 'model_not_found' || error?.code === 'model_not_available'
      if (isRefusal) refusedUntil.set(upstreamId, clock.monotonic() + refusedForMs)
      if (isRefusal || (error === undefined && refusedUntil.delete(upstreamId))) marked = undefined
    },
  }

  function withRefusals(): ApiModel[] {
    for (const [name, until] of refusedUntil)
      if (clock.monotonic() >= until) {
        refusedUntil.delete(name)
        marked = undefined
      }
    marked ??= known.map((model) => (refusedUntil.has(model.upstreamId) ? { ...model, refused: true } : model))
    return marked
  }

  async function live(signal: AbortSignal): Promise<ApiModel[]> {
    const key = keys[asked++ % keys.length]
    if (key === undefined) throw new Error('no key')
    const listed = entriesIn(await api.ask('/models', { key, signal }))
    if (listed === undefined) throw new Error('no list')
    return listed.map((entry) => listedModel(entry, table))
  }
}

/** The chat models an answer lists, or `undefined` when it is no list. */
export function entriesIn({ ok, text }: Answer): ModelEntry[] | undefined {
  const body = ok ? parseJson(text) : undefined
  if (!modelList.Check(body)) return undefined
  return body.data.flatMap((entry) => (modelEntry.Check(entry) && isChatModel(entry.id) ? [entry] : []))
}

/** The vendor's own list tells no lengths; those of servers that speak its language do. */
function listedModel({ id, created, context_length, max_output_tokens }: ModelEntry, table: ModelTable): ApiModel {
  const model = apiModel(table.of(id), id)
  return {
    ...model,
    createdAtSeconds: model.createdAtSeconds || (created ?? 0),
    ...(context_length ? { contextTokens: context_length } : {}),
    ...(max_output_tokens ? { maxOutputTokens: max_output_tokens } : {}),
  }
}

function merge(rows: readonly ApiModel[], listed: readonly ApiModel[]): ApiModel[] {
  const models = new Map(rows.map((model) => [model.id.toLowerCase(), model]))
  for (const model of listed) models.set(model.id.toLowerCase(), model)
  return [...models.values()]
}

/** The list also has pictures, speech and embeddings: `cogview-4`, `glm-asr`, `embedding-3`. */
function isChatModel(id: string): boolean {
  return /^glm-\d/i.test(id)
}

/** `glm-…` and its kin: what no list has may still be a model of the API. */
function isFamiliar(name: string): boolean {
  return /^(glm|chatglm|charglm|autoglm|codegeex)-/i.test(name)
}

/** Told not to think, it thinks as little as it can. */
export function alwaysThinks({ reasoning, thinking }: Pick<ApiModel, 'reasoning' | 'thinking'>): boolean {
  return reasoning !== 'never' && thinking !== 'switch'
}

const thinkingOf = { never: 'none', 'built-in': 'none', switchable: 'switch', always: 'always' } satisfies Record<
  ModelFacts['reasoning'],
  ApiModel['thinking']
>

/** The API writes its names in lower case. */
export function apiModel(facts: ModelFacts, upstreamId = facts.id.toLowerCase()): ApiModel {
  const { reasoning, efforts, toolStream, imagesInToolResults } = facts
  return { ...modelOf(facts, upstreamId), thinking: thinkingOf[reasoning], efforts, toolStream, imagesInToolResults }
}

function isApiModel(model: Model): model is ApiModel {
  return 'thinking' in model
}

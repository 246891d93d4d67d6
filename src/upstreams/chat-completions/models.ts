import { refreshWhenOld } from '../../async/refresh-when-old.ts'
import type { Clock } from '../../core/clock.ts'
import type { GatewayError } from '../../core/errors.ts'
import { parseJson } from '../../core/json.ts'
import type { Model } from '../../core/upstream.ts'
import type { BufferedResponse } from '../../http-client/buffered-response.ts'
import { modelOf } from '../../models/model.ts'
import type { EffortWord } from '../../models/row.ts'
import type { ModelFacts, ModelTable } from '../../models/table.ts'
import type { ApiClient } from './client.ts'
import { paths } from './paths.ts'
import type { ModelRules } from './profile.ts'
import { type ModelEntry, modelEntry, modelList } from './schema.ts'

/** How long a refused model counts as refused. Plans change, and models are added to them. */
const refusedForMs = 60 * 60_000

/** A model with the facts that only requests to this API need. */
export interface ChatModel extends Model {
  /** How `thinking` can be set: not at all, on and off, or always on. */
  reasoningSwitch: 'none' | 'switch' | 'always'
  /** The accepted values of `reasoning_effort`. */
  efforts: readonly EffortWord[]
  /** Takes `tool_stream`. */
  toolStream: boolean
  /** Takes images in `tool` messages. */
  imagesInToolResults: boolean
}

export interface Catalogue {
  /** The models of the table, extended by the server's list. Never rejects. */
  list(): Promise<ChatModel[]>
  unlisted(name: string, named: boolean): ChatModel | undefined
  /** The embedding models of the table, extended by the server's list. Never rejects. */
  embedders(): Promise<Model[]>
  unlistedEmbedder(name: string, named: boolean): Model | undefined
  /** The request facts of any model, whether it is in this catalogue or not. */
  traitsOf(model: Model): ChatModel
  /** Models to use in place of other vendors' large and small ones, if the vendor states no preference. */
  newestFirst(): Readonly<Record<'primary' | 'small', readonly string[]>>
  /** Learns from the result of a call which models the credentials may use; `error` is `undefined` for a success. */
  learn(model: ChatModel, error: GatewayError | undefined): void
}

export interface CatalogueOptions {
  client: ApiClient
  rules: ModelRules
  keys: readonly string[]
  /**
   * The only models to offer, whether the server lists them or not. Without it, all models of the table and the list.
   */
  only?: readonly string[] | undefined
  table: ModelTable
  clock: Clock
  modelsTtlMs: number
  log: (level: 'info' | 'warn', message: string) => void
}

/**
 * The models of one server. The server's list is undocumented and leaves out models that work, so it only adds models
 * to the table or corrects a length. Only a refusal shows that a key may not use a model; such a model is marked for an
 * hour.
 */
export function catalogue({ client, rules, keys, only, table, clock, modelsTtlMs, log }: CatalogueOptions): Catalogue {
  const rows = only
    ? only.filter((id) => !rules.isEmbedder(id)).map((id) => chatModel(factsOf(id), id))
    : table.named
        .filter((facts) => facts.kind === 'chat' && rules.offers(facts))
        .map((facts) => chatModel(rules.facts(facts)))
  const embedderRows = only
    ? only.filter(rules.isEmbedder).map(embeddingModel)
    : table.named
        .filter(({ id, kind }) => kind === 'embedding' && rules.offersEmbedder(id))
        .map(({ id }) => embeddingModel(id))
  let known = rows
  let knownEmbedders = embedderRows
  let nextKey = 0
  // By the API's name of a refused model: when it counts as usable again.
  const refusedUntil = new Map<string, number>()
  // The list with refused models marked.
  let marked: ChatModel[] | undefined

  const refreshed = refreshWhenOld({
    async read(signal) {
      const listed = await live(signal)
      known = merge(rows, listed.models)
      knownEmbedders = merge(embedderRows, listed.embedders)
      marked = undefined
    },
    onFailure: () => log('warn', `${client.host} did not tell its models; going by the ones known before.`),
    keepMs: modelsTtlMs,
    clock,
  })

  return {
    async list() {
      const refreshing = refreshed()
      if (refreshing) await refreshing
      return withRefusals()
    },
    async embedders() {
      const refreshing = refreshed()
      if (refreshing) await refreshing
      return knownEmbedders
    },
    unlistedEmbedder: (name, named) => (named || rules.isEmbedder(name) ? embeddingModel(name) : undefined),
    unlisted(name, named) {
      if (rules.isFamiliar(name)) return chatModel(factsOf(name))
      return named ? chatModel(factsOf(name), name) : undefined
    },
    newestFirst() {
      const ids = known.toSorted((one, other) => other.createdAtSeconds - one.createdAtSeconds).map(({ id }) => id)
      return { primary: ids, small: ids.filter((id) => /air|flash|mini|small/i.test(id)) }
    },
    traitsOf: (model) => (hasTraits(model) ? model : { ...chatModel(factsOf(model.upstreamId)), ...model }),
    learn({ upstreamId }, error) {
      // Names that are in no list are not remembered, because clients may make them up.
      if (!known.some((model) => model.upstreamId === upstreamId)) return
      const isRefusal = error?.code === 'model_not_found' || error?.code === 'model_not_available'
      if (isRefusal) refusedUntil.set(upstreamId, clock.monotonic() + refusedForMs)
      if (isRefusal || (error === undefined && refusedUntil.delete(upstreamId))) marked = undefined
    },
  }

  function embeddingModel(id: string): Model {
    return { ...modelOf(factsOf(id), id), embeds: true }
  }

  function withRefusals(): ChatModel[] {
    for (const [name, until] of refusedUntil)
      if (clock.monotonic() >= until) {
        refusedUntil.delete(name)
        marked = undefined
      }
    marked ??= known.map((model) => (refusedUntil.has(model.upstreamId) ? { ...model, refused: true } : model))
    return marked
  }

  async function live(signal: AbortSignal): Promise<{ models: ChatModel[]; embedders: Model[] }> {
    const key = keys[nextKey++ % keys.length]
    if (key === undefined) throw new Error('no key')
    const answer = await client.fetchWhole(paths.models, { key, signal })
    const listed = entriesIn(answer, rules.isChatModel)
    const embedders = entriesIn(answer, rules.isEmbedder)
    if (listed === undefined || embedders === undefined) throw new Error('no list')
    const isOffered = ({ id }: ModelEntry) => only === undefined || only.includes(id)
    return {
      models: listed.filter(isOffered).map((entry) => listedModel(entry, chatModel(factsOf(entry.id), entry.id))),
      embedders: embedders.filter(isOffered).map(({ id }) => embeddingModel(id)),
    }
  }

  function factsOf(id: string): ModelFacts {
    return rules.facts(table.of(id))
  }
}

/** Models in a list response; `undefined` if the response is not a list. */
export function entriesIn({ ok, text }: BufferedResponse, isWanted: (id: string) => boolean): ModelEntry[] | undefined {
  const body = ok ? parseJson(text) : undefined
  if (!modelList.Check(body)) return undefined
  return body.data.flatMap((entry) => (modelEntry.Check(entry) && isWanted(entry.id) ? [entry] : []))
}

/** Z.AI's own list has no lengths; the lists of compatible servers do. */
function listedModel(entry: ModelEntry, model: ChatModel): ChatModel {
  const { created, max_output_tokens } = entry
  // OpenRouter calls it `context_length`; vLLM and SGLang call it `max_model_len`.
  const contextTokens = entry.context_length ?? entry.max_model_len
  return {
    ...model,
    createdAtSeconds: model.createdAtSeconds || (created ?? 0),
    ...(contextTokens ? { contextTokens } : {}),
    ...(max_output_tokens ? { maxOutputTokens: max_output_tokens } : {}),
  }
}

function merge<One extends Model>(rows: readonly One[], listed: readonly One[]): One[] {
  const models = new Map(rows.map((model) => [model.id.toLowerCase(), model]))
  for (const model of listed) models.set(model.id.toLowerCase(), model)
  return [...models.values()]
}

/** A model that cannot stop reasoning: with reasoning switched off it reasons as little as possible. */
export function alwaysReasons({
  reasoning,
  reasoningSwitch,
}: Pick<ChatModel, 'reasoning' | 'reasoningSwitch'>): boolean {
  return reasoning !== 'never' && reasoningSwitch !== 'switch'
}

const reasoningSwitchOf = {
  never: 'none',
  'built-in': 'none',
  switchable: 'switch',
  always: 'always',
} satisfies Record<ModelFacts['reasoning'], ChatModel['reasoningSwitch']>

/** A model from the facts of the table. The API writes its names in lower case. */
export function chatModel(facts: ModelFacts, upstreamId = facts.id.toLowerCase()): ChatModel {
  const { reasoning, efforts, toolStream, imagesInToolResults } = facts
  return {
    ...modelOf(facts, upstreamId),
    reasoningSwitch: reasoningSwitchOf[reasoning],
    efforts,
    toolStream,
    imagesInToolResults,
  }
}

function hasTraits(model: Model): model is ChatModel {
  return 'reasoningSwitch' in model
}

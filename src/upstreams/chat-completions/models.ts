import { singleFlight } from '../../async/single-flight.ts'
import type { Clock } from '../../core/clock.ts'
import type { GatewayError } from '../../core/errors.ts'
import { parseJson } from '../../core/json.ts'
import type { Model } from '../../core/upstream.ts'
import type { BufferedResponse } from '../../http-client/buffered-response.ts'
import { modelOf } from '../../models/model.ts'
import type { EffortWord } from '../../models/row.ts'
import type { ModelFacts, ModelTable } from '../../models/table.ts'
import type { ApiClient } from './client.ts'
import type { ModelRules } from './profile.ts'
import { type ModelEntry, modelEntry, modelList } from './schema.ts'

/** Longest wait for the live list. */
const waitMs = 5_000
/** After a list that did not come. */
const keepAfterFailureMs = 60_000
/** Plans change, and models are added to them. */
const refusedForMs = 60 * 60_000

/** A model with what only this upstream's requests need to know. */
export interface ChatModel extends Model {
  /** How it takes `thinking`: not at all, on and off, or on alone. */
  thinking: 'none' | 'switch' | 'always'
  /** The words of `reasoning_effort` it takes. */
  efforts: readonly EffortWord[]
  /** Takes `tool_stream`. */
  toolStream: boolean
  /** Takes images in `tool` messages. */
  imagesInToolResults: boolean
}

export interface Catalogue {
  /** The table and what the live list adds to it. Never rejects. */
  list(): Promise<ChatModel[]>
  unlisted(name: string, named: boolean): ChatModel | undefined
  /** A model as requests need it, of this catalogue or not. */
  traitsOf(model: Model): ChatModel
  /** The offered models for large and small ones of other vendors, where the vendor has no preference of its own. */
  newestFirst(): Readonly<Record<'primary' | 'small', readonly string[]>>
  /** Learns from how a call of the model ended, `undefined` for well, which models the credentials may use. */
  learn(model: ChatModel, error: GatewayError | undefined): void
}

export interface CatalogueOptions {
  client: ApiClient
  rules: ModelRules
  keys: readonly string[]
  /** The only models to offer, whether the server lists them or not; without it, all of the table and the list. */
  only?: readonly string[] | undefined
  table: ModelTable
  clock: Clock
  modelsTtlMs: number
  log: (level: 'info' | 'warn', message: string) => void
}

/**
 * The list is undocumented and leaves models out that work, so it only ever adds to the table, or mends a length. What
 * a key may use only a refusal tells: a refused model is marked for an hour.
 */
export function catalogue({ client, rules, keys, only, table, clock, modelsTtlMs, log }: CatalogueOptions): Catalogue {
  const rows = only
    ? only.map((id) => chatModel(factsOf(id), id))
    : table.named.filter(rules.offers).map((facts) => chatModel(rules.facts(facts)))
  let known = rows
  let asked = 0
  let goodUntil = Number.NEGATIVE_INFINITY
  // The last question hung: no request waits for the next one.
  let hangs = false
  // By the API's own name, the time until which the model counts as refused; and the list with these marks.
  const refusedUntil = new Map<string, number>()
  let marked: ChatModel[] | undefined

  const refresh = singleFlight(async () => {
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
      log('warn', `${client.host} did not tell its models; going by the ones known before.`)
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
      if (rules.isFamiliar(name)) return chatModel(factsOf(name))
      return named ? chatModel(factsOf(name), name) : undefined
    },
    newestFirst() {
      const ids = known.toSorted((one, other) => other.createdAtSeconds - one.createdAtSeconds).map(({ id }) => id)
      return { primary: ids, small: ids.filter((id) => /air|flash|mini|small/i.test(id)) }
    },
    traitsOf: (model) => (hasTraits(model) ? model : { ...chatModel(factsOf(model.upstreamId)), ...model }),
    learn({ upstreamId }, error) {
      // Of names that clients make up nothing is kept.
      if (!known.some((model) => model.upstreamId === upstreamId)) return
      const isRefusal = error?.code === 'model_not_found' || error?.code === 'model_not_available'
      if (isRefusal) refusedUntil.set(upstreamId, clock.monotonic() + refusedForMs)
      if (isRefusal || (error === undefined && refusedUntil.delete(upstreamId))) marked = undefined
    },
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

  async function live(signal: AbortSignal): Promise<ChatModel[]> {
    const key = keys[asked++ % keys.length]
    if (key === undefined) throw new Error('no key')
    const listed = entriesIn(await client.ask('/models', { key, signal }), rules)
    if (listed === undefined) throw new Error('no list')
    const offered = only ? listed.filter(({ id }) => only.includes(id)) : listed
    return offered.map((entry) => listedModel(entry, chatModel(factsOf(entry.id), entry.id)))
  }

  function factsOf(id: string): ModelFacts {
    const name = rules.tableName(id)
    const facts = rules.facts(table.of(name))
    return name === id ? facts : { ...facts, id }
  }
}

/** The chat models an answer lists, or `undefined` when it is no list. */
export function entriesIn({ ok, text }: BufferedResponse, { isChatModel }: ModelRules): ModelEntry[] | undefined {
  const body = ok ? parseJson(text) : undefined
  if (!modelList.Check(body)) return undefined
  return body.data.flatMap((entry) => (modelEntry.Check(entry) && isChatModel(entry.id) ? [entry] : []))
}

/** The vendor's own list tells no lengths; those of servers that speak its language do. */
function listedModel(entry: ModelEntry, model: ChatModel): ChatModel {
  const { created, max_output_tokens } = entry
  // OpenRouter's name, and that of vLLM and SGLang.
  const contextTokens = entry.context_length ?? entry.max_model_len
  return {
    ...model,
    createdAtSeconds: model.createdAtSeconds || (created ?? 0),
    ...(contextTokens ? { contextTokens } : {}),
    ...(max_output_tokens ? { maxOutputTokens: max_output_tokens } : {}),
  }
}

function merge(rows: readonly ChatModel[], listed: readonly ChatModel[]): ChatModel[] {
  const models = new Map(rows.map((model) => [model.id.toLowerCase(), model]))
  for (const model of listed) models.set(model.id.toLowerCase(), model)
  return [...models.values()]
}

/** Told not to think, it thinks as little as it can. */
export function alwaysThinks({ reasoning, thinking }: Pick<ChatModel, 'reasoning' | 'thinking'>): boolean {
  return reasoning !== 'never' && thinking !== 'switch'
}

const thinkingOf = { never: 'none', 'built-in': 'none', switchable: 'switch', always: 'always' } satisfies Record<
  ModelFacts['reasoning'],
  ChatModel['thinking']
>

/** The API writes its names in lower case. */
export function chatModel(facts: ModelFacts, upstreamId = facts.id.toLowerCase()): ChatModel {
  const { reasoning, efforts, toolStream, imagesInToolResults } = facts
  return { ...modelOf(facts, upstreamId), thinking: thinkingOf[reasoning], efforts, toolStream, imagesInToolResults }
}

function hasTraits(model: Model): model is ChatModel {
  return 'thinking' in model
}

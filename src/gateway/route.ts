import { truncate } from '../core/brief.ts'
import { GatewayError } from '../core/errors.ts'
import type { ChatRequest } from '../core/request.ts'
import type { Model, Upstream } from '../core/upstream.ts'

export interface RouteOptions {
  /**
   * Best model for names of other vendors, and what THINKING_MODEL and SEARCH_MODEL stand for; where none is named, the
   * newest that the first upstream prefers and may use.
   */
  primaryModel: string | undefined
  /** The same for names of small ones; the primary where it is not in the catalogue. */
  smallModel: string | undefined
  thinkingModel: string
  searchModel: string
  /** The user's own rules, first match wins: a name with `*` for any run of characters, and a name of ours. */
  modelMap: readonly (readonly [pattern: string, target: string])[]
}

export interface Route {
  upstream: Upstream
  model: Model
  /** The request with what the name asked for: `-Thinking`, `-NoThinking`, `-Search`. */
  request: ChatRequest
  reasoningByName: boolean
  searchByName: boolean
  /** Of the same upstream, newest first: what may step in where the credentials may not use the model nobody named. */
  alternatives?: readonly Model[]
  /** What MODEL_MAP made of the name. */
  mappedTo?: string
}

export interface Offer {
  upstream: Upstream
  models: Model[]
}

interface Wish {
  model: Model
  upstream: Upstream
  reasoning?: 'on' | 'off'
  search?: boolean
  alternatives?: readonly Model[]
}

/** Of a model, with all its suffixes; each of them is looked up. */
const longestName = 500

/** What stands for other vendors' models at an upstream that prefers none, where the configured one is not in the catalogue. */
const fallbackPrimary = 'GLM-4.5'

/** What clients ask for when nobody told them about GLM. */
const foreignNames: readonly (readonly [pattern: RegExp, size: 'small' | 'primary'])[] = [
  [/^claude\b.*haiku/, 'small'],
  [/^claude\b/, 'primary'],
  [/^(gpt-|chatgpt-|o\d|codex)\S*(mini|nano)/, 'small'],
  [/^(gpt-|chatgpt-|o\d\b|codex)/, 'primary'],
  [/^gemini\b.*(flash|lite)/, 'small'],
  [/^gemini\b/, 'primary'],
]

/** `Z-AI/GLM-4.5[1m]` → `GLM-4.5`: vendor prefix and window mark carry no meaning here. */
function bare(name: string): string {
  return name
    .trim()
    .replace(/\[\d+[km]\](?=$|-)/gi, '')
    .replace(/^(?:z-?ai(?:-org)?|zhipu(?:ai)?|bigmodel|thudm|openai|anthropic|google)\//i, '')
}

/** Nor does case. */
function normalise(name: string): string {
  return bare(name).toLowerCase()
}

/**
 * Finds who answers for a model name.
 *
 * Order: the user's map, the catalogues in the order of the upstreams, virtual suffixes, the configured names, a name
 * behind that of an upstream (`zai-api/glm-5.4`), names of other vendors, and names no list has that an upstream judges
 * by itself: those it is named for, and those that look like its own. Errors: `not-found` that lists what exists.
 */
export function route(request: ChatRequest, offers: readonly Offer[], options: RouteOptions): Route {
  const name = normalise(request.model)
  const mapped = options.modelMap.find(([pattern]) => matches(normalise(pattern), name))
  const wish = mapped
    ? (known(mapped[1], offers, options) ?? unlisted(mapped[1], offers, true))
    : (known(request.model, offers, options) ??
      foreign(name, offers, options) ??
      unlisted(request.model, offers, false))
  if (!wish) throw unknownModel(request.model, offers, mapped?.[1])
  return {
    upstream: wish.upstream,
    model: wish.model,
    reasoningByName: wish.reasoning === 'on',
    searchByName: wish.search === true,
    ...(wish.alternatives ? { alternatives: wish.alternatives } : {}),
    ...(mapped ? { mappedTo: mapped[1] } : {}),
    request: asWished(request, wish),
  }
}

/** A name of ours, or of an upstream's behind its own. */
function known(asked: string, offers: readonly Offer[], options: RouteOptions): Wish | undefined {
  const wish = ours(asked, offers, options)
  if (wish) return wish
  const offer = offers.find(({ upstream }) => normalise(asked).startsWith(`${upstream.id}/`))
  if (!offer) return undefined
  const name = bare(asked).slice(offer.upstream.id.length + 1)
  return ours(name, [offer], options) ?? foreign(normalise(name), [offer], options) ?? unlisted(name, [offer], true)
}

/** Its server judges the name. */
function unlisted(asked: string, offers: readonly Offer[], named: boolean): Wish | undefined {
  const name = bare(asked)
  for (const { upstream } of offers) {
    const find = (id: string): Wish | undefined => {
      const model = upstream.unlisted?.(id, named)
      return model && { model, upstream }
    }
    const wish = withSuffix(name, find) ?? (name === '' ? undefined : find(name))
    if (wish) return wish
  }
  return undefined
}

function asWished(request: ChatRequest, { reasoning, search = false }: Wish): ChatRequest {
  if (reasoning === undefined && !search) return request
  return {
    ...request,
    reasoning: reasoning ? { ...request.reasoning, mode: reasoning } : request.reasoning,
    search: request.search || search,
  }
}

/** A name of the catalogue, with or without virtual suffixes, or one of the three configured names. */
function ours(asked: string, offers: readonly Offer[], options: RouteOptions): Wish | undefined {
  const name = normalise(asked)
  return name === '' ? undefined : (inCatalogue(name, offers) ?? configured(name, offers, options))
}

function inCatalogue(name: string, offers: readonly Offer[]): Wish | undefined {
  if (name.length > longestName) return undefined
  return exactly(name, offers) ?? withSuffix(name, (base) => exactly(base, offers))
}

function exactly(name: string, offers: readonly Offer[]): Wish | undefined {
  for (const { upstream, models } of offers) {
    const model = byName(models).get(name)
    if (model) return { model, upstream }
  }
  return undefined
}

/** What the suffixes of a name ask for of the model before them. `find` is asked once for each, the shortest name first. */
function withSuffix(name: string, find: (base: string) => Wish | undefined): Wish | undefined {
  if (name.length > longestName) return undefined
  const [, base, suffix] = /^(.+)-(thinking|nothinking|search)$/i.exec(name) ?? []
  const wish = base === undefined ? undefined : (withSuffix(base, find) ?? find(base))
  if (!wish) return undefined
  switch (suffix?.toLowerCase()) {
    case 'thinking':
      return { ...wish, reasoning: 'on' }
    case 'nothinking':
      return { ...wish, reasoning: 'off' }
    default:
      return { ...wish, search: true }
  }
}

/**
 * The models of a list under both of their names, in lower case, and behind these without what stands before a slash,
 * such as who published the weights; the first of a name has it.
 */
function byName(models: readonly Model[]): ReadonlyMap<string, Model> {
  const known = named.get(models)
  if (known) return known
  const found = new Map<string, Model>()
  const add = (name: string, model: Model) => {
    if (!found.has(name.toLowerCase())) found.set(name.toLowerCase(), model)
  }
  for (const model of models) for (const name of [model.id, model.upstreamId]) add(name, model)
  for (const model of models) add(model.id.slice(model.id.lastIndexOf('/') + 1), model)
  named.set(models, found)
  return found
}

/** Upstreams hand out the same list until it changes, and every request looks into it. */
const named = new WeakMap<readonly Model[], ReadonlyMap<string, Model>>()

function configured(name: string, offers: readonly Offer[], options: RouteOptions): Wish | undefined {
  const { primaryModel, thinkingModel, searchModel } = options
  const asked = [primaryModel ?? '', thinkingModel, searchModel].map(normalise).indexOf(name)
  const wish = asked < 0 ? undefined : primary(offers, options)
  if (!wish) return undefined
  return [wish, { ...wish, reasoning: 'on' as const }, { ...wish, search: true }][asked]
}

function primary(offers: readonly Offer[], { primaryModel }: RouteOptions): Wish | undefined {
  if (primaryModel === undefined) return preferredOf(offers, 'primary')
  return (
    inCatalogue(normalise(primaryModel), offers) ??
    unlisted(primaryModel, offers, false) ??
    preferredOf(offers, 'primary')
  )
}

function small(offers: readonly Offer[], options: RouteOptions): Wish | undefined {
  const { smallModel } = options
  if (smallModel === undefined) return preferredOf(offers, 'small')
  return ours(smallModel, offers, options) ?? unlisted(smallModel, offers, false)
}

/** What the first upstream that offers any of its favourites would have answer: what it may use goes first. */
function preferredOf(offers: readonly Offer[], size: 'primary' | 'small'): Wish | undefined {
  for (const { upstream, models } of offers) {
    const names = upstream.preferred?.[size] ?? (size === 'primary' ? [fallbackPrimary] : [])
    const favourites = names.flatMap((name) => byName(models).get(name.toLowerCase()) ?? [])
    const [model, ...alternatives] = favourites.toSorted(
      (one, other) => Number(one.refused ?? false) - Number(other.refused ?? false),
    )
    if (model) return { model, upstream, alternatives }
  }
  return undefined
}

function foreign(name: string, offers: readonly Offer[], options: RouteOptions): Wish | undefined {
  const size = foreignNames.find(([pattern]) => pattern.test(name))?.[1]
  if (!size) return undefined
  const wish = (size === 'small' ? small(offers, options) : undefined) ?? primary(offers, options)
  return wish && name.endsWith('-thinking') ? { ...wish, reasoning: 'on' } : wish
}

function matches(pattern: string, name: string): boolean {
  const [head = '', ...rest] = pattern.split('*')
  if (rest.length === 0) return name === head
  if (!name.startsWith(head)) return false
  let at = head.length
  const tail = rest.pop() ?? ''
  for (const piece of rest) {
    const found = name.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return name.length - tail.length >= at && name.endsWith(tail)
}

/** `cause`: what an upstream that was asked said. Names what exists, for a client can choose from nothing else. */
export function unknownModel(
  name: string,
  offers: readonly Offer[],
  target: string | undefined,
  cause?: GatewayError,
): GatewayError {
  const refused = normalise(target ?? name)
  const names = offers.flatMap(({ models }) =>
    models.flatMap((model) => (model.refused || (cause && byName([model]).has(refused)) ? [] : [model.id])),
  )
  const origin = target === undefined ? '' : `, which MODEL_MAP makes \`${truncate(target)}\`,`
  return new GatewayError(
    'not-found',
    `The model \`${truncate(name)}\`${origin} does not exist here. Available: ${[...new Set(names)].join(', ')}; GET /v1/models lists them with their variants.`,
    { code: 'model_not_found', param: 'model', ...(cause ? { detail: cause.detail, cause } : {}) },
  )
}

export interface ListedModel extends Model {
  /** Name for people: the id, for virtual variants too. */
  displayName: string
}

/** Every name a client may ask for, each once: models, their virtual variants, the configured names. */
export function listModels(offers: readonly Offer[], options: RouteOptions): ListedModel[] {
  const listed = new Map<string, ListedModel>()
  const add = (id: string, model: Model) => {
    if (!listed.has(id.toLowerCase())) listed.set(id.toLowerCase(), { ...model, id, displayName: id })
  }
  for (const { upstream, models } of offers)
    for (const model of models) {
      add(model.id, model)
      if (model.reasoning !== 'never') add(`${model.id}-Thinking`, model)
      if (canStopThinking(model, upstream)) add(`${model.id}-NoThinking`, model)
      if (model.search) add(`${model.id}-Search`, model)
    }
  for (const name of [options.primaryModel, options.thinkingModel, options.searchModel]) {
    const wish = name === undefined ? undefined : ours(name, offers, options)
    if (name !== undefined && wish) add(name, wish.model)
  }
  return [...listed.values()]
}

/** The model that answers for a name, listed under the name as it was asked for. Errors: as `route`. */
export function findModel(name: string, offers: readonly Offer[], options: RouteOptions): ListedModel {
  const { model } = route({ ...silent, model: name }, offers, options)
  return { ...model, id: name, displayName: model.id }
}

/** A question about thinking alone. */
const silent: ChatRequest = {
  model: '',
  messages: [],
  tools: [],
  toolChoice: 'auto',
  parallelToolCalls: true,
  sampling: {},
  reasoning: { mode: 'off' },
  output: { type: 'text' },
  search: false,
  ignored: [],
}

/** A model that thinks whatever it is told is asked for under its own name; with `-NoThinking` it thinks as little as it can. */
function canStopThinking(model: Model, upstream: Upstream): boolean {
  return model.reasoning === 'by-default' && !upstream.ignored(silent, model).includes('thinking')
}

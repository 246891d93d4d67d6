import { GatewayError } from '../core/errors.ts'
import type { ChatRequest } from '../core/request.ts'
import { truncate } from '../core/truncate.ts'
import type { Model, Upstream } from '../core/upstream.ts'

export interface ModelRouteOptions {
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

export interface ModelRoute {
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

export interface ModelListing {
  upstream: Upstream
  models: Model[]
}

interface Resolution {
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
const aliases: readonly (readonly [pattern: RegExp, size: 'small' | 'primary'])[] = [
  [/^claude\b.*haiku/, 'small'],
  [/^claude\b/, 'primary'],
  [/^(gpt-|chatgpt-|o\d|codex)\S*(mini|nano)/, 'small'],
  [/^(gpt-|chatgpt-|o\d\b|codex)/, 'primary'],
  [/^gemini\b.*(flash|lite)/, 'small'],
  [/^gemini\b/, 'primary'],
]

/** `Z-AI/GLM-4.5[1m]` → `GLM-4.5`: vendor prefix and window mark carry no meaning here. */
function withoutVendor(name: string): string {
  return name
    .trim()
    .replace(/\[\d+[km]\](?=$|-)/gi, '')
    .replace(/^(?:z-?ai(?:-org)?|zhipu(?:ai)?|bigmodel|thudm|openai|anthropic|google)\//i, '')
}

/** Nor does case. */
function normaliseName(name: string): string {
  return withoutVendor(name).toLowerCase()
}

/**
 * Finds who answers for a model name.
 *
 * Order: the user's map, the catalogues in the order of the upstreams, virtual suffixes, the configured names, a name
 * behind that of an upstream (`zai-api/glm-5.4`), names of other vendors, and names no list has that an upstream judges
 * by itself: those it is named for, and those that look like its own. Errors: `not-found` that lists what exists.
 */
export function routeModel(
  request: ChatRequest,
  listings: readonly ModelListing[],
  options: ModelRouteOptions,
): ModelRoute {
  const name = normaliseName(request.model)
  const mapped = options.modelMap.find(([pattern]) => matches(normaliseName(pattern), name))
  const resolution = mapped
    ? (resolveKnown(mapped[1], listings, options) ?? unlisted(mapped[1], listings, true))
    : (resolveKnown(request.model, listings, options) ??
      resolveAlias(name, listings, options) ??
      unlisted(request.model, listings, false))
  if (!resolution) throw unknownModel(request.model, listings, mapped?.[1])
  return {
    upstream: resolution.upstream,
    model: resolution.model,
    reasoningByName: resolution.reasoning === 'on',
    searchByName: resolution.search === true,
    ...(resolution.alternatives ? { alternatives: resolution.alternatives } : {}),
    ...(mapped ? { mappedTo: mapped[1] } : {}),
    request: withResolution(request, resolution),
  }
}

/** A name of ours, or of an upstream's behind its own. */
function resolveKnown(
  asked: string,
  listings: readonly ModelListing[],
  options: ModelRouteOptions,
): Resolution | undefined {
  const resolution = resolveOwn(asked, listings, options)
  if (resolution) return resolution
  const listing = listings.find(({ upstream }) => normaliseName(asked).startsWith(`${upstream.id}/`))
  if (!listing) return undefined
  const name = withoutVendor(asked).slice(listing.upstream.id.length + 1)
  return (
    resolveOwn(name, [listing], options) ??
    resolveAlias(normaliseName(name), [listing], options) ??
    unlisted(name, [listing], true)
  )
}

/** Its server judges the name. */
function unlisted(asked: string, listings: readonly ModelListing[], named: boolean): Resolution | undefined {
  const name = withoutVendor(asked)
  for (const { upstream } of listings) {
    const find = (id: string): Resolution | undefined => {
      const model = upstream.unlisted?.(id, named)
      return model && { model, upstream }
    }
    const resolution = withSuffix(name, find) ?? (name === '' ? undefined : find(name))
    if (resolution) return resolution
  }
  return undefined
}

function withResolution(request: ChatRequest, { reasoning, search = false }: Resolution): ChatRequest {
  if (reasoning === undefined && !search) return request
  return {
    ...request,
    reasoning: reasoning ? { ...request.reasoning, mode: reasoning } : request.reasoning,
    search: request.search || search,
  }
}

/** A name of the catalogue, with or without virtual suffixes, or one of the three configured names. */
function resolveOwn(
  asked: string,
  listings: readonly ModelListing[],
  options: ModelRouteOptions,
): Resolution | undefined {
  const name = normaliseName(asked)
  return name === '' ? undefined : (inCatalogue(name, listings) ?? resolveConfigured(name, listings, options))
}

function inCatalogue(name: string, listings: readonly ModelListing[]): Resolution | undefined {
  if (name.length > longestName) return undefined
  return exactly(name, listings) ?? withSuffix(name, (base) => exactly(base, listings))
}

function exactly(name: string, listings: readonly ModelListing[]): Resolution | undefined {
  for (const { upstream, models } of listings) {
    const model = byName(models).get(name)
    if (model) return { model, upstream }
  }
  return undefined
}

/** What the suffixes of a name ask for of the model before them. `find` is asked once for each, the shortest name first. */
function withSuffix(name: string, find: (base: string) => Resolution | undefined): Resolution | undefined {
  if (name.length > longestName) return undefined
  const [, base, suffix] = /^(.+)-(thinking|nothinking|search)$/i.exec(name) ?? []
  const resolution = base === undefined ? undefined : (withSuffix(base, find) ?? find(base))
  if (!resolution) return undefined
  switch (suffix?.toLowerCase()) {
    case 'thinking':
      return { ...resolution, reasoning: 'on' }
    case 'nothinking':
      return { ...resolution, reasoning: 'off' }
    default:
      return { ...resolution, search: true }
  }
}

/**
 * The models of a list under both of their names, in lower case, and behind these without what stands before a slash,
 * such as who published the weights; the first of a name has it.
 */
function byName(models: readonly Model[]): ReadonlyMap<string, Model> {
  const resolveKnown = named.get(models)
  if (resolveKnown) return resolveKnown
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

function resolveConfigured(
  name: string,
  listings: readonly ModelListing[],
  options: ModelRouteOptions,
): Resolution | undefined {
  const { primaryModel, thinkingModel, searchModel } = options
  const asked = [primaryModel ?? '', thinkingModel, searchModel].map(normaliseName).indexOf(name)
  const resolution = asked < 0 ? undefined : primary(listings, options)
  if (!resolution) return undefined
  return [resolution, { ...resolution, reasoning: 'on' as const }, { ...resolution, search: true }][asked]
}

function primary(listings: readonly ModelListing[], { primaryModel }: ModelRouteOptions): Resolution | undefined {
  if (primaryModel === undefined) return preferredOf(listings, 'primary')
  return (
    inCatalogue(normaliseName(primaryModel), listings) ??
    unlisted(primaryModel, listings, false) ??
    preferredOf(listings, 'primary')
  )
}

function small(listings: readonly ModelListing[], options: ModelRouteOptions): Resolution | undefined {
  const { smallModel } = options
  if (smallModel === undefined) return preferredOf(listings, 'small')
  return resolveOwn(smallModel, listings, options) ?? unlisted(smallModel, listings, false)
}

/** What the first upstream that offers any of its favourites would have answer: what it may use goes first. */
function preferredOf(listings: readonly ModelListing[], size: 'primary' | 'small'): Resolution | undefined {
  for (const { upstream, models } of listings) {
    const names = upstream.preferred?.[size] ?? (size === 'primary' ? [fallbackPrimary] : [])
    const preferredNames = names.flatMap((name) => byName(models).get(name.toLowerCase()) ?? [])
    const [model, ...alternatives] = preferredNames.toSorted(
      (one, other) => Number(one.refused ?? false) - Number(other.refused ?? false),
    )
    if (model) return { model, upstream, alternatives }
  }
  return undefined
}

function resolveAlias(
  name: string,
  listings: readonly ModelListing[],
  options: ModelRouteOptions,
): Resolution | undefined {
  const size = aliases.find(([pattern]) => pattern.test(name))?.[1]
  if (!size) return undefined
  const resolution = (size === 'small' ? small(listings, options) : undefined) ?? primary(listings, options)
  return resolution && name.endsWith('-thinking') ? { ...resolution, reasoning: 'on' } : resolution
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
  listings: readonly ModelListing[],
  target: string | undefined,
  cause?: GatewayError,
): GatewayError {
  const refused = normaliseName(target ?? name)
  const names = listings.flatMap(({ models }) =>
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
export function listModels(listings: readonly ModelListing[], options: ModelRouteOptions): ListedModel[] {
  const listed = new Map<string, ListedModel>()
  const add = (id: string, model: Model) => {
    if (!listed.has(id.toLowerCase())) listed.set(id.toLowerCase(), { ...model, id, displayName: id })
  }
  for (const { upstream, models } of listings)
    for (const model of models) {
      add(model.id, model)
      if (model.reasoning !== 'never') add(`${model.id}-Thinking`, model)
      if (canStopThinking(model, upstream)) add(`${model.id}-NoThinking`, model)
      if (model.search) add(`${model.id}-Search`, model)
    }
  for (const name of [options.primaryModel, options.thinkingModel, options.searchModel]) {
    const resolution = name === undefined ? undefined : resolveOwn(name, listings, options)
    if (name !== undefined && resolution) add(name, resolution.model)
  }
  return [...listed.values()]
}

/** The model that answers for a name, listed under the name as it was asked for. Errors: as `routeModel`. */
export function findModel(name: string, listings: readonly ModelListing[], options: ModelRouteOptions): ListedModel {
  const { model } = routeModel({ ...silent, model: name }, listings, options)
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

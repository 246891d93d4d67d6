import { defaultModel } from '../core/default-models.ts'
import { GatewayError } from '../core/errors.ts'
import { matchesPattern } from '../core/name-pattern.ts'
import type { ChatRequest } from '../core/request.ts'
import { truncate } from '../core/truncate.ts'
import type { ListedModel, Model, Upstream } from '../core/upstream.ts'
import { listedModel } from './listed-model.ts'

export interface ModelRouteOptions {
  /**
   * The model for names of other vendors, and the one behind THINKING_MODEL and SEARCH_MODEL. `undefined` stands for the
   * newest one that the first upstream prefers and may use.
   */
  primaryModel: string | undefined
  /** The model for names of other vendors' small models. If it is not in the catalogue, the primary one is used. */
  smallModel: string | undefined
  thinkingModel: string
  searchModel: string
  /** The configured names that the list of models shows even if no upstream has a model of that name. */
  listedNames: readonly string[]
  /** The rules of MODEL_MAP, of which the first match wins. `*` in a pattern matches any characters. */
  modelMap: readonly (readonly [pattern: string, target: string])[]
}

export interface ModelRoute {
  upstream: Upstream
  model: Model
  /** The request with the options from the suffixes of the name: `-Thinking`, `-NoThinking`, `-Search`. */
  request: ChatRequest
  reasoningByName: boolean
  searchByName: boolean
  /**
   * Set if the client did not name a model of the upstream: other models of it, newest first, to try if the credentials
   * may not use this one.
   */
  alternatives?: readonly Model[]
  /** The target of the MODEL_MAP rule that matched the name. */
  mappedTo?: string
  by: RouteReason
  /** The client named the model, and no list has it. */
  isUnlisted?: boolean
}

/** What decided which model a name stands for: the name itself, a setting, or what the upstream offers. */
export type RouteReason =
  | 'its name'
  | 'MODEL_MAP'
  | 'PRIMARY_MODEL'
  | 'SMALL_MODEL'
  | 'THINKING_MODEL'
  | 'SEARCH_MODEL'
  | 'newest model'

export interface ModelListing {
  upstream: Upstream
  models: Model[]
  /** Patterns for models that no list has, with `*` for any characters. If undefined, every name is allowed. */
  allowed?: readonly string[] | undefined
}

/** The models of a catalogue that a caller may use whose key is limited to these patterns. */
export function withAllowed(listing: ModelListing, allowed: readonly string[] | undefined): ModelListing {
  // Returns the same list object as before, because every request uses it.
  if (allowed === undefined) return listing
  return { ...listing, models: listing.models.filter((model) => isAllowed(model, allowed)), allowed }
}

export function isAllowed({ id }: Model, allowed: readonly string[] | undefined): boolean {
  return allowed === undefined || allowed.some((pattern) => matchesPattern(normaliseName(pattern), normaliseName(id)))
}

interface Resolution {
  by: RouteReason
  model: Model
  upstream: Upstream
  reasoning?: 'on' | 'off'
  search?: boolean
  alternatives?: readonly Model[]
  isUnlisted?: true
}

/** In characters, with all suffixes. Each suffix costs a lookup, so the number has to be limited. */
const maxNameLength = 500

/** Names of other vendors' models, which clients use by default. */
const aliases: readonly (readonly [pattern: RegExp, size: 'small' | 'primary'])[] = [
  [/^claude\b.*haiku/, 'small'],
  [/^claude\b/, 'primary'],
  [/^(gpt-|chatgpt-|o\d|codex)\S*(mini|nano)/, 'small'],
  [/^(gpt-|chatgpt-|o\d\b|codex)/, 'primary'],
  [/^gemini\b.*(flash|lite)/, 'small'],
  [/^gemini\b/, 'primary'],
]

/** Removes the vendor prefix and the mark for the context window, which have no meaning here: `Z-AI/GLM-4.5[1m]` → `GLM-4.5`. */
export function withoutVendor(name: string): string {
  return name
    .trim()
    .replace(/\[\d+[km]\](?=$|-)/gi, '')
    .replace(/^(?:z-?ai(?:-org)?|zhipu(?:ai)?|bigmodel|thudm|openai|anthropic|google)\//i, '')
}

/** Ollama's tag for a name without one: `GLM-4.5:latest` → `GLM-4.5`. */
export function withoutTag(name: string): string {
  return name.replace(/:latest\s*$/i, '')
}

/** Additionally ignores case. */
export function normaliseName(name: string): string {
  return withoutVendor(name).toLowerCase()
}

/**
 * Finds the upstream and the model for the model name of a request.
 *
 * Order: MODEL_MAP, the catalogues in the order of the upstreams, virtual suffixes, the configured names, names with an
 * upstream's id in front (`zai-api/glm-5.4`), names of other vendors, and last unlisted names that an upstream accepts,
 * which have its id in front or look like its own names. Ollama's tag `:latest` means nothing unless a catalogue has
 * it.
 * Errors: `not-found` with a list of the available models.
 */
export function routeModel(
  request: ChatRequest,
  listings: readonly ModelListing[],
  options: ModelRouteOptions,
): ModelRoute {
  const untagged = withoutTag(request.model)
  const isListed = untagged !== request.model && inCatalogue(normaliseName(request.model), listings) !== undefined
  const requested = isListed ? request.model : untagged
  const mapped = ruleFor([request.model, requested], options)
  const resolution = mapped
    ? (resolveKnown(mapped[1], listings, options) ?? unlisted(mapped[1], listings, true))
    : (resolveKnown(requested, listings, options) ??
      resolveAlias(normaliseName(requested), listings, options) ??
      unlisted(requested, listings, false))
  if (!resolution) throw unknownModel(request.model, listings, mapped?.[1])
  return {
    upstream: resolution.upstream,
    model: resolution.model,
    by: mapped ? 'MODEL_MAP' : resolution.by,
    isUnlisted: resolution.isUnlisted === true && !mapped && resolution.by === 'its name',
    reasoningByName: resolution.reasoning === 'on',
    searchByName: resolution.search === true,
    ...(resolution.alternatives ? { alternatives: resolution.alternatives } : {}),
    ...(mapped ? { mappedTo: mapped[1] } : {}),
    request: withResolution(request, resolution),
  }
}

/** The first rule of MODEL_MAP that matches one of the names. */
function ruleFor(
  requested: readonly string[],
  { modelMap }: ModelRouteOptions,
): ModelRouteOptions['modelMap'][number] | undefined {
  if (modelMap.length === 0) return undefined
  const names = requested.map(normaliseName)
  return modelMap.find(([pattern]) => names.some((name) => matchesPattern(normaliseName(pattern), name)))
}

/** Resolves a name of the gateway, or a name with the id of an upstream in front. */
function resolveKnown(
  requested: string,
  listings: readonly ModelListing[],
  options: ModelRouteOptions,
): Resolution | undefined {
  const resolution = resolveOwn(requested, listings, options)
  if (resolution) return resolution
  const listing = listings.find(({ upstream }) => normaliseName(requested).startsWith(`${upstream.id}/`))
  if (!listing) return undefined
  const name = withoutVendor(requested).slice(listing.upstream.id.length + 1)
  return (
    resolveOwn(name, [listing], options) ??
    resolveAlias(normaliseName(name), [listing], options) ??
    unlisted(name, [listing], true)
  )
}

/** Resolves an unlisted name that an upstream accepts. `named`: the name is meant for one of these upstreams. */
function unlisted(requested: string, listings: readonly ModelListing[], named: boolean): Resolution | undefined {
  const name = withoutVendor(requested)
  for (const { upstream, allowed } of listings) {
    const find = (id: string): Resolution | undefined => {
      const model = upstream.unlisted?.(id, named)
      return model && isAllowed(model, allowed) ? { model, upstream, by: 'its name', isUnlisted: true } : undefined
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

/** Resolves a name of the catalogue, with or without virtual suffixes, or one of the three configured names. */
function resolveOwn(
  requested: string,
  listings: readonly ModelListing[],
  options: ModelRouteOptions,
): Resolution | undefined {
  const name = normaliseName(requested)
  return name === '' ? undefined : (inCatalogue(name, listings) ?? resolveConfigured(name, listings, options))
}

function inCatalogue(name: string, listings: readonly ModelListing[]): Resolution | undefined {
  if (name.length > maxNameLength) return undefined
  return exactly(name, listings) ?? withSuffix(name, (base) => exactly(base, listings))
}

function exactly(name: string, listings: readonly ModelListing[]): Resolution | undefined {
  for (const { upstream, models } of listings) {
    const model = byName(models).get(name)
    if (model) return { model, upstream, by: 'its name' }
  }
  return undefined
}

/** Resolves a name with suffixes. `find` is called with each possible base name, the shortest one first. */
function withSuffix(name: string, find: (base: string) => Resolution | undefined): Resolution | undefined {
  if (name.length > maxNameLength) return undefined
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
 * Indexes models by lower-case name: by both of their names, and with lower precedence by the part behind the last slash,
 * because what is in front may be the publisher of the weights, and without the tag `:latest`. If several models share a
 * name, the first one gets it.
 */
function byName(models: readonly Model[]): ReadonlyMap<string, Model> {
  const known = indexes.get(models)
  if (known) return known
  const found = new Map<string, Model>()
  const add = (name: string, model: Model) => {
    if (!found.has(name.toLowerCase())) found.set(name.toLowerCase(), model)
  }
  for (const model of models) for (const name of [model.id, model.upstreamId]) add(name, model)
  for (const model of models) add(model.id.slice(model.id.lastIndexOf('/') + 1), model)
  for (const model of models) add(withoutTag(model.id), model)
  indexes.set(models, found)
  return found
}

/** The index of each list. Upstreams return the same list object until it changes, and every request needs the index. */
const indexes = new WeakMap<readonly Model[], ReadonlyMap<string, Model>>()

function resolveConfigured(
  name: string,
  listings: readonly ModelListing[],
  options: ModelRouteOptions,
): Resolution | undefined {
  const { primaryModel, thinkingModel, searchModel } = options
  const role = [primaryModel ?? '', thinkingModel, searchModel].map(normaliseName).indexOf(name)
  const resolution = role < 0 ? undefined : primary(listings, options)
  if (!resolution) return undefined
  return [
    { ...resolution, by: 'PRIMARY_MODEL' as const },
    { ...resolution, reasoning: 'on' as const, by: 'THINKING_MODEL' as const },
    { ...resolution, search: true, by: 'SEARCH_MODEL' as const },
  ][role]
}

function primary(listings: readonly ModelListing[], { primaryModel }: ModelRouteOptions): Resolution | undefined {
  if (primaryModel === undefined) return preferredOf(listings, 'primary')
  const resolution = inCatalogue(normaliseName(primaryModel), listings) ?? unlisted(primaryModel, listings, false)
  return resolution ? { ...resolution, by: 'PRIMARY_MODEL' } : preferredOf(listings, 'primary')
}

function small(listings: readonly ModelListing[], options: ModelRouteOptions): Resolution | undefined {
  const { smallModel } = options
  if (smallModel === undefined) return preferredOf(listings, 'small')
  const resolution = resolveOwn(smallModel, listings, options) ?? unlisted(smallModel, listings, false)
  return resolution && { ...resolution, by: 'SMALL_MODEL' }
}

/** The preferred model of the first upstream that offers any of its preferred ones. Models it may use come first. */
function preferredOf(listings: readonly ModelListing[], size: 'primary' | 'small'): Resolution | undefined {
  for (const { upstream, models } of listings) {
    const names = upstream.preferred?.[size] ?? (size === 'primary' ? [defaultModel] : [])
    const preferredNames = names.flatMap((name) => byName(models).get(name.toLowerCase()) ?? [])
    const [model, ...alternatives] = preferredNames.toSorted(
      (one, other) => Number(one.refused ?? false) - Number(other.refused ?? false),
    )
    if (model) return { model, upstream, alternatives, by: 'newest model' }
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

/** The error for an unknown model, with a list of the available ones. `cause` is the error of an upstream that refused the model. */
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
    `The model \`${truncate(name)}\`${origin} does not exist here. Available: ${[...new Set(names)].join(', ') || 'none'}; GET /v1/models lists them with their variants.`,
    { code: 'model_not_found', param: 'model', ...(cause ? { detail: cause.detail, cause } : {}) },
  )
}

/** Every name that a client may request, each once: models, their virtual variants and the configured names. */
export function listModels(listings: readonly ModelListing[], options: ModelRouteOptions): ListedModel[] {
  const listed = new Map<string, ListedModel>()
  const add = (id: string, model: Model, upstream: Upstream) => {
    if (!listed.has(id.toLowerCase())) listed.set(id.toLowerCase(), listedModel(id, model, upstream))
  }
  for (const { upstream, models } of listings)
    for (const model of models) {
      add(model.id, model, upstream)
      if (model.reasoning !== 'never') add(`${model.id}-Thinking`, model, upstream)
      if (canStopReasoning(model, upstream)) add(`${model.id}-NoThinking`, model, upstream)
      if (model.search) add(`${model.id}-Search`, model, upstream)
    }
  for (const name of options.listedNames) {
    const resolution = resolveOwn(name, listings, options)
    if (resolution) add(name, resolution.model, resolution.upstream)
  }
  return [...listed.values()]
}

/** The model that answers to a name, with the requested name as its id. Errors: those of `routeModel`. */
export function findModel(name: string, listings: readonly ModelListing[], options: ModelRouteOptions): ListedModel {
  const { model, upstream } = routeModel({ ...withoutReasoning, model: name }, listings, options)
  return listedModel(name, model, upstream, model.id)
}

/** A request without reasoning, used to ask an upstream what it ignores. */
const withoutReasoning: ChatRequest = {
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

/** Whether reasoning can be turned off. `-NoThinking` is listed only then; for any other model it asks for as little reasoning as possible. */
function canStopReasoning(model: Model, upstream: Upstream): boolean {
  return model.reasoning === 'by-default' && !upstream.ignored(withoutReasoning, model).includes('thinking')
}

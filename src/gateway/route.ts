import { brief } from '../core/brief.ts'
import { GatewayError } from '../core/errors.ts'
import type { ChatRequest } from '../core/request.ts'
import type { Model, Upstream } from '../core/upstream.ts'

export interface RouteOptions {
  /** Best model for names of other vendors, and what THINKING_MODEL and SEARCH_MODEL stand for. */
  primaryModel: string
  /** The same for names of small ones; the primary where it is not in the catalogue. */
  smallModel: string
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
}

/** Where a name of ours falls back to when the configured one is not in the catalogue. */
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

/** `Z-AI/GLM-4.5[1m]` → `glm-4.5`: vendor prefix, window mark and case carry no meaning here. */
function normalise(name: string): string {
  return name
    .trim()
    .toLowerCase()
    .replace(/\[\d+[km]\]$/, '')
    .replace(/^(?:z-?ai(?:-org)?|zhipu(?:ai)?|bigmodel|thudm|openai|anthropic|google)\//, '')
}

/**
 * Finds who answers for a model name.
 *
 * Order: the user's map, the catalogues in the order of the upstreams, virtual suffixes, the configured names, and
 * names of other vendors. Errors: `not-found` that lists what exists.
 */
export function route(request: ChatRequest, offers: readonly Offer[], options: RouteOptions): Route {
  const name = normalise(request.model)
  const mapped = options.modelMap.find(([pattern]) => matches(normalise(pattern), name))
  const wish = mapped
    ? ours(mapped[1], offers, options)
    : (ours(name, offers, options) ?? foreign(name, offers, options))
  if (!wish) throw unknownModel(mapped?.[1] ?? request.model, offers, mapped !== undefined)
  return {
    upstream: wish.upstream,
    model: wish.model,
    reasoningByName: wish.reasoning === 'on',
    searchByName: wish.search === true,
    request: asWished(request, wish),
  }
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
  return inCatalogue(name, offers) ?? configured(name, offers, options)
}

function inCatalogue(name: string, offers: readonly Offer[]): Wish | undefined {
  for (const { upstream, models } of offers) {
    const model = byName(models).get(name)
    if (model) return { model, upstream }
  }
  const [, base, suffix] = /^(.+)-(thinking|nothinking|search)$/.exec(name) ?? []
  const wish = base === undefined ? undefined : inCatalogue(base, offers)
  if (!wish) return undefined
  switch (suffix) {
    case 'thinking':
      return { ...wish, reasoning: 'on' }
    case 'nothinking':
      return { ...wish, reasoning: 'off' }
    default:
      return { ...wish, search: true }
  }
}

/** The models of a list under both of their names, in lower case; the first of a name has it. */
function byName(models: readonly Model[]): ReadonlyMap<string, Model> {
  const known = named.get(models)
  if (known) return known
  const found = new Map<string, Model>()
  for (const model of models)
    for (const name of [model.id.toLowerCase(), model.upstreamId.toLowerCase()])
      if (!found.has(name)) found.set(name, model)
  named.set(models, found)
  return found
}

/** Upstreams hand out the same list until it changes, and every request looks into it. */
const named = new WeakMap<readonly Model[], ReadonlyMap<string, Model>>()

function configured(name: string, offers: readonly Offer[], options: RouteOptions): Wish | undefined {
  const primary =
    inCatalogue(normalise(options.primaryModel), offers) ?? inCatalogue(fallbackPrimary.toLowerCase(), offers)
  if (!primary) return undefined
  if (name === normalise(options.primaryModel)) return primary
  if (name === normalise(options.thinkingModel)) return { ...primary, reasoning: 'on' }
  if (name === normalise(options.searchModel)) return { ...primary, search: true }
  return undefined
}

function foreign(name: string, offers: readonly Offer[], options: RouteOptions): Wish | undefined {
  const size = foreignNames.find(([pattern]) => pattern.test(name))?.[1]
  if (!size) return undefined
  const small = size === 'small' ? ours(options.smallModel, offers, options) : undefined
  const wish = small ?? ours(options.primaryModel, offers, options)
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

function unknownModel(name: string, offers: readonly Offer[], mapped: boolean): GatewayError {
  const names = offers.flatMap(({ models }) => models.map(({ id }) => id)).join(', ')
  const origin = mapped ? ' that MODEL_MAP points to' : ''
  return new GatewayError(
    'not-found',
    `The model \`${brief(name)}\`${origin} does not exist here. Available: ${names}; GET /v1/models lists them with their variants.`,
    { code: 'model_not_found', param: 'model' },
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
    const wish = ours(name, offers, options)
    if (wish) add(name, wish.model)
  }
  return [...listed.values()]
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
  unsupported: [],
}

/** A model that thinks whatever it is told is asked for under its own name; with `-NoThinking` it thinks as little as it can. */
function canStopThinking({ id, reasoning }: Model, upstream: Upstream): boolean {
  return reasoning === 'by-default' && !upstream.unsupported({ ...silent, model: id }).includes('thinking')
}

import type { CallerPermissions } from '../core/caller.ts'
import { GatewayError } from '../core/errors.ts'
import { matchesPattern } from '../core/name-pattern.ts'
import { truncate } from '../core/truncate.ts'
import type { Model, Upstream } from '../core/upstream.ts'
import { isAllowed, normaliseName, withoutTag, withoutVendor } from './model-routing.ts'

export interface EmbeddingListing {
  upstream: Upstream
  embedder: NonNullable<Upstream['embeddings']>
  models: readonly Model[]
}

export interface EmbeddingCandidate extends EmbeddingListing {
  model: Model
  /** Another model would make vectors that cannot be compared, so there are no alternatives. */
  isAlternative: false
}

export interface EmbeddingRouteOptions {
  modelMap: readonly (readonly [pattern: string, target: string])[]
  /** What the caller may use. The listings are only those of its upstreams. */
  allowed: CallerPermissions
}

/** Names of other vendors' models, which programs use by default. */
const otherVendors = /^(?:text-embedding-|gemini-embedding|embedding-00\d|embed-|voyage-|mistral-embed|codestral-embed)/

/** What upstreams offer of embedding models. */
export async function embeddingListings(
  upstreams: readonly Upstream[],
  allowed: readonly string[] | undefined,
): Promise<EmbeddingListing[]> {
  const listings = await Promise.all(
    upstreams.map(async (upstream) => {
      const embedder = upstream.embeddings
      if (embedder === undefined) return []
      const models = (await embedder.models()).filter((model) => isAllowed(model, allowed))
      return [{ upstream, embedder, models }]
    }),
  )
  return listings.flat()
}

/**
 * The upstreams that have the model of this name, in the operator's order.
 *
 * The name, after MODEL_MAP, is looked up in this order. Errors: `not-found`.
 * - a listed model
 * - a name with an upstream's id in front, at that upstream
 * - a model of another vendor, for which the first listed model stands in
 * - any other name, at an upstream that decides about names itself
 */
export function routeEmbedding(
  requested: string,
  listings: readonly EmbeddingListing[],
  { modelMap, allowed }: EmbeddingRouteOptions,
): [first: EmbeddingCandidate, ...others: EmbeddingCandidate[]] {
  const untagged = withoutTag(requested)
  const names = [requested, untagged].map(normaliseName)
  const target = modelMap.find(([pattern]) => names.some((name) => matchesPattern(normaliseName(pattern), name)))?.[1]
  const wanted = target ?? untagged
  const [first, ...others] =
    listed(wanted) ?? addressed(wanted) ?? renamed(wanted) ?? unlisted(wanted, listings, target !== undefined)
  if (first === undefined) throw unknownEmbedding(requested, listings, allowed.upstreams)
  return [first, ...others]

  function listed(name: string): EmbeddingCandidate[] | undefined {
    const forms = [normaliseName(requested), normaliseName(name)]
    const found = listings.flatMap((listing) => {
      const model = listing.models.find(({ id }) =>
        forms.some((form) => form === id.toLowerCase() || form === withoutTag(id.toLowerCase())),
      )
      return model ? [candidate(listing, model)] : []
    })
    return found.length > 0 ? found : undefined
  }

  function addressed(name: string): EmbeddingCandidate[] | undefined {
    const listing = listings.find(({ upstream }) => normaliseName(name).startsWith(`${upstream.id}/`))
    return listing && unlisted(withoutVendor(name).slice(listing.upstream.id.length + 1), [listing], true)
  }

  function renamed(name: string): EmbeddingCandidate[] | undefined {
    const model = otherVendors.test(normaliseName(name)) ? listings.flatMap(({ models }) => models)[0] : undefined
    return model && listed(model.id)
  }

  function unlisted(name: string, among: readonly EmbeddingListing[], named: boolean): EmbeddingCandidate[] {
    const found = among.flatMap((listing) => {
      const model = listing.embedder.unlisted(withoutVendor(name), named)
      return model && isAllowed(model, allowed.models) ? [candidate(listing, model)] : []
    })
    return found.slice(0, 1)
  }
}

function candidate(listing: EmbeddingListing, model: Model): EmbeddingCandidate {
  return { ...listing, model, isAlternative: false }
}

function unknownEmbedding(
  name: string,
  listings: readonly EmbeddingListing[],
  upstreams: readonly string[] | undefined,
): GatewayError {
  if (listings.length === 0 && upstreams !== undefined)
    return new GatewayError(
      'not-found',
      `None of the upstreams that this key may be used for makes embeddings: ${upstreams.join(', ')}.`,
      { code: 'no_embeddings', param: 'model' },
    )
  if (listings.length === 0)
    return new GatewayError(
      'not-found',
      "There is nobody here who makes embeddings: Z.AI's web chat does not. Set ZAI_API_KEY for those of the official API, or name a server that makes them in [[upstreams]].",
      { code: 'no_embeddings', param: 'model' },
    )
  const names = [...new Set(listings.flatMap(({ models }) => models.map(({ id }) => id)))]
  return new GatewayError(
    'not-found',
    `The model \`${truncate(name)}\` makes no embeddings here. Available: ${names.join(', ') || 'none'}.`,
    { code: 'model_not_found', param: 'model' },
  )
}

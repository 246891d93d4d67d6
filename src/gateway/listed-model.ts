import type { ListedModel, Model, Upstream } from '../core/upstream.ts'

/** A model of an upstream under a name that requests may use; `displayName` is another one to show. */
export function listedModel(id: string, model: Model, upstream: Upstream, displayName = id): ListedModel {
  return { ...model, id, displayName, ownedBy: ownerOf(model, upstream) }
}

/** The vendor of the upstream's models, else the publisher in front of the model's name, else the upstream. */
function ownerOf({ upstreamId }: Model, { vendor, id }: Upstream): string {
  return vendor ?? (/^[^/]+(?=\/)/.exec(upstreamId)?.[0] || id)
}

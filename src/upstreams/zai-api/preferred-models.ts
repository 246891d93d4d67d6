import type { Upstream } from '../../core/upstream.ts'
import type { Service } from '../../models/row.ts'
import type { ModelFacts, ModelTable } from '../../models/table.ts'

/** The models to use in place of other vendors' models, and for agents; the large ones newest first. */
export function preferredModels({ named }: ModelTable, service: Service): NonNullable<Upstream['preferred']> {
  const small = named.filter(({ smallRank }) => smallRank !== undefined)
  return {
    primary: named.filter(({ standsIn }) => standsIn.includes(service)).map(({ id }) => id),
    small: small.toSorted((one, other) => rankOf(one) - rankOf(other)).map(({ id }) => id),
  }
}

function rankOf({ smallRank = Number.POSITIVE_INFINITY }: ModelFacts): number {
  return smallRank
}

import type { Clock } from '../core/clock.ts'
import { isKnownClient } from './clients.ts'
import type { RequestRecord } from './record.ts'

/** The name under which all further names are counted. */
const otherName = 'other'

/** The most names kept of unlisted models, and of unknown programs: clients choose these names freely. */
const maxMadeUp = 20

/**
 * Returns a name itself for the first `most` names and `other` for all further ones. A name takes one of these places
 * the first time it comes with `isReal`; until then it is `other`, too.
 */
function firstNames(most: number): (name: string, isReal?: boolean) => string {
  const names = new Set<string>()
  return (name, isReal = true) => {
    if (isReal && names.size < most) names.add(name)
    return names.has(name) ? name : otherName
  }
}

/**
 * Returns the name by which a request's model is counted. An unlisted model is counted as `other` until an upstream has
 * answered under its name, and then takes one of `maxMadeUp` places.
 */
export function countedModels(maxListed: number): (record: RequestRecord) => string {
  const [listed, madeUp] = [firstNames(maxListed), firstNames(maxMadeUp)]
  return ({ upstream, model, isUnlisted, usage, error, status = error?.status }) => {
    // Until the request is routed, its model is free text of the client.
    if (upstream === undefined || model === undefined) return otherName
    if (isUnlisted) return madeUp(model, usage !== undefined && error === undefined)
    // A name that the upstream does not know is free text, too.
    return listed(model, status !== 404)
  }
}

interface UsageNames {
  model: string | null
  client: string | null
}

/** More than any upstream lists. */
const maxListed = 1_000

/** The names by which the use of an hour is stored for long; each hour begins anew. */
export function createUsageNames(clock: Clock, hourMs = 3_600_000): (record: RequestRecord) => UsageNames {
  let hour = Number.NaN
  let modelOf = countedModels(maxListed)
  let clientOf = firstNames(maxMadeUp)
  return (record) => {
    const now = Math.floor(clock.monotonic() / hourMs)
    if (now !== hour) {
      hour = now
      modelOf = countedModels(maxListed)
      clientOf = firstNames(maxMadeUp)
    }
    const name = record.client?.name
    return {
      model: record.upstream === undefined ? null : modelOf(record),
      client: name === undefined ? null : isKnownClient(name) ? name : clientOf(name),
    }
  }
}

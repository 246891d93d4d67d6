import { GatewayError } from '../core/errors.ts'
import { truncate } from '../core/truncate.ts'
import { elapsedMs, type RequestRecord } from '../observe/record.ts'
import { redactDeep } from '../observe/redaction.ts'
import { bodySizes } from './captured-bodies.ts'
import { type FirstDifference, firstDifference } from './first-difference.ts'
import type { OperatorContext } from './operator-context.ts'
import { remedies } from './remedies.ts'
import type { RequestDetail } from './schema/requests.ts'
import { timelineParts } from './timeline-parts.ts'

/**
 * Reads all that is known of the request with an id, without secrets: from its record, if it is under way or recent, else
 * from the database. Errors: `not-found`.
 */
export function requestDetails(operator: OperatorContext): (id: string) => Promise<RequestDetail> {
  const { capture, live, recent, findSecrets, rowOf, storedRequest, clock } = operator
  return detail

  async function detail(id: string): Promise<RequestDetail> {
    const record = live.running().find((one) => one.id === id) ?? recent.find(id)
    const known = record ? await recentDetail(record) : await storedRequest?.(id)
    if (!known) throw requestNotFound(`There is no request ${truncate(id)}, or it is not remembered any more.`)
    const { error } = known
    const remedy = error && remedies[error.code]
    const shown = error && remedy !== undefined ? { ...known, error: { ...error, remedy } } : known
    return redactDeep({ ...shown, bodies: bodySizes(await capture.sizes(id)) }, findSecrets)
  }

  async function recentDetail(record: RequestRecord): Promise<Omit<RequestDetail, 'bodies'>> {
    const { previous, next } = recent.neighbours(record)
    const difference = previous && (await differenceOf(record, previous))
    return {
      ...rowOf(record),
      ...timelineParts(record.timeline, elapsedMs(record, clock)),
      ...(previous ? { previous: previous.id } : {}),
      ...(next ? { next: next.id } : {}),
      ...(difference ? { first_difference: difference } : {}),
    }
  }

  /** With the tokens that were read anew, if the upstream told them. */
  async function differenceOf(
    record: RequestRecord,
    previous: RequestRecord,
  ): Promise<(FirstDifference & { tokens?: number }) | undefined> {
    const [before, now] = [await capture.original(previous.id), await capture.original(record.id)]
    const difference = before && now && firstDifference(before.body, now.body)
    const { inputTokens, cachedInputTokens } = record.usage ?? {}
    if (!difference || inputTokens === undefined || cachedInputTokens === undefined) return difference
    return { ...difference, tokens: inputTokens - cachedInputTokens }
  }
}

export function requestNotFound(message: string): GatewayError {
  return new GatewayError('not-found', message, { code: 'request_not_found' })
}

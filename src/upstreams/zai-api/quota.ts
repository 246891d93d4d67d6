import { GatewayError } from '../../core/errors.ts'
import { parseJson } from '../../core/json.ts'
import type { Quota, QuotaLimit } from '../../core/quota.ts'
import { readBuffered } from '../../http-client/buffered-response.ts'
import { send } from '../../http-client/send.ts'
import type { QuotaCall } from '../upstream-kind.ts'
import { usualSettings, zaiErrors } from './errors.ts'
import { quotaBody, quotaEntry } from './schema.ts'
import { usualHeaders } from './usual-headers.ts'

export interface QuotaOptions extends QuotaCall {
  baseUrl: string
  key: string
}

/**
 * Reads how much of its plan one key has used.
 *
 * Errors: those of any call, and `upstream-malformed` if the response has an unknown shape, or the server has no such
 * address.
 * Source: undocumented; the vendor's own usage plug-in sends this request, with the bare key in `authorization`.
 */
export async function readQuota({ baseUrl, key, fetch, clock, signal, timeoutMs }: QuotaOptions): Promise<Quota> {
  const { origin, host } = new URL(baseUrl)
  const headers = { authorization: key, ...usualHeaders }
  const url = `${origin}/api/monitor/usage/quota/limit`
  const response = await send(url, { headers }, { fetch, clock, signal, headersTimeoutMs: timeoutMs })
  const buffered = await readBuffered(response, { clock, signal, timeoutMs, host })
  const body = parseJson(buffered.text)
  if (!buffered.ok || isRefusal(body)) {
    const refusal = zaiErrors(usualSettings).ofResponse(buffered, clock.now())
    // The setting may be right all the same: a server of somebody's own seldom has this address.
    if (refusal.code === 'upstream_wrong_address')
      throw new GatewayError('upstream-malformed', `${host} does not tell the usage of a plan.`, { cause: refusal })
    throw refusal
  }
  if (!quotaBody.Check(body))
    throw new GatewayError('upstream-malformed', `${host} tells the usage in an unknown shape.`)
  return { plan: body.data.level ?? undefined, limits: (body.data.limits ?? []).flatMap(limitOf) }
}

const kinds: Record<string, QuotaLimit['kind']> = {
  TOKENS_LIMIT: 'tokens',
  TIME_LIMIT: 'tool-calls',
  CREDIT_LIMIT: 'credits',
}

const units: Record<number, 'hour' | 'week' | 'month'> = { 3: 'hour', 5: 'month', 6: 'week' }

function limitOf(entry: unknown): QuotaLimit[] {
  if (!quotaEntry.Check(entry)) return []
  const unit = units[entry.unit ?? 0]
  return [
    {
      kind: kinds[entry.type] ?? 'other',
      window: unit && { unit, count: entry.number ?? 1 },
      usedPercent: entry.percentage ?? undefined,
      used: entry.currentValue ?? undefined,
      total: entry.usage ?? undefined,
      remaining: entry.remaining ?? undefined,
      resetsAt: entry.nextResetTime ?? undefined,
    },
  ]
}

/** Refusals may come with status 200. */
function isRefusal(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'success' in body && body.success === false
}

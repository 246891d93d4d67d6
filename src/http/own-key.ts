import type { Caller } from '../core/caller.ts'
import type { RequestRecord } from '../observe/record.ts'
import type { Route } from './route.ts'

export interface OwnKeyOptions {
  /** Keys that the operator has made. Errors of `show`: `not-found`. */
  keys: { show(id: string): Promise<object> } | undefined
  recordOf: (request: Request) => RequestRecord
}

/** `GET /v1/key`: what the caller's own key may do, and what is left of its budgets. */
export function ownKeyRoutes({ keys, recordOf }: OwnKeyOptions): Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/key',
      access: 'client',
      docs: { tags: ['key'], summary: 'What your key may do, and what is left of its budgets' },
      async handle({ request }) {
        const { caller } = recordOf(request)
        const view = caller.isIssued && keys ? await keys.show(caller.keyId) : configured(caller)
        return Response.json(view, { headers: { 'cache-control': 'no-store' } })
      },
    },
  ]
}

/** A key of the configuration, or a caller that needs no key. It has no budget. */
function configured({ keyId, label, policy }: Caller): object {
  return {
    ...{ id: keyId, name: label, disabled: false },
    ...(policy.models ? { models: policy.models } : {}),
    ...(policy.upstreams ? { upstreams: policy.upstreams } : {}),
    ...(policy.dialects ? { dialects: policy.dialects } : {}),
    ...(policy.requests ? { rpm: policy.requests.perMinute } : {}),
    ...(policy.tokens ? { tpm: policy.tokens.perMinute } : {}),
    ...{ budgets: [], state: 'active' },
  }
}

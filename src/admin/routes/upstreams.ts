import { asGatewayError, GatewayError } from '../../core/errors.ts'
import type { Route } from '../../http/route.ts'
import type { OperatorContext } from '../operator-context.ts'
import { withoutUnknown } from '../request-row.ts'
import { adminRoute } from '../route.ts'
import { TestResult, Upstream, Upstreams } from '../schema/upstreams.ts'
import type { OperatedUpstream } from '../upstream-views.ts'

const testTimeoutMs = 15_000

/** `/admin/api/upstreams`: upstreams and their credentials, with tests, pause and resume. */
export function upstreamRoutes(operator: OperatorContext): Route[] {
  const { clock, redact, views, quotas } = operator
  const credential = '/upstreams/:id/credentials/:credential'
  return [
    adminRoute(
      {
        method: 'GET',
        path: '/upstreams',
        summary: 'The upstreams with their credentials, in the order in which they are tried',
        answer: Upstreams,
        handle() {
          void quotas.refresh()
          return { upstreams: operator.upstreams().map(views.whole) }
        },
      },
      operator,
    ),
    adminRoute(
      {
        method: 'POST',
        path: '/upstreams/:id/test',
        summary: 'Ask an upstream whether it would answer',
        description: 'Costs nothing. The answer is 200 also where the upstream fails: it says so.',
        answer: TestResult,
        handle({ request, params: { id } }) {
          const { upstream } = find(id)
          return tested(async (signal) => {
            await upstream.check(signal)
            return { models: (await upstream.models()).length }
          }, request.signal)
        },
      },
      operator,
    ),
    ...(['pause', 'resume', 'try'] as const).map((action) =>
      adminRoute(
        {
          method: 'POST',
          path: `${credential}/${action}`,
          summary: summaries[action],
          answer: Upstream,
          async handle({ params: { id, credential = '' } }) {
            const operated = find(id)
            const { pause, resume, tryNow } = operated.control
            if (!(await { pause, resume, try: tryNow }[action](credential))) throw unknown(`credential ${credential}`)
            return views.whole(operated)
          },
        },
        operator,
      ),
    ),
    adminRoute(
      {
        method: 'POST',
        path: `${credential}/test`,
        summary: 'Ask for something that costs nothing under one credential',
        description: 'The list of models, or a session. What is learned of the credential does not change by it.',
        answer: TestResult,
        handle: ({ request, params: { id, credential = '' } }) => {
          const { upstream, control } = find(id)
          if (!control.report().credentials.some((each) => each.id === credential))
            throw unknown(`credential ${credential}`)
          return tested((signal) => upstream.test?.(credential, signal) ?? Promise.resolve({}), request.signal)
        },
      },
      operator,
    ),
  ]

  function find(id = ''): OperatedUpstream {
    const found = operator.upstreams().find(({ upstream }) => upstream.id === id)
    if (found === undefined) throw unknown(`upstream ${id}`)
    return found
  }

  async function tested(test: (signal: AbortSignal) => Promise<{ models?: number }>, left: AbortSignal) {
    const startedAt = clock.monotonic()
    const ms = () => Math.round(clock.monotonic() - startedAt)
    try {
      const { models } = await test(AbortSignal.any([left, AbortSignal.timeout(testTimeoutMs)]))
      const text = models === undefined ? 'It answers.' : `It answers, and lists ${models} models.`
      return withoutUnknown({ ok: true, text, ms: ms(), models })
    } catch (thrown) {
      return { ok: false, text: redact(asGatewayError(thrown).message), ms: ms() }
    }
  }
}

const summaries = {
  pause: 'Lend a credential to no further call; those under way keep it',
  resume: 'Lend a paused credential again',
  try: 'End the rest of a credential: the next call decides whether it works again',
}

function unknown(what: string): GatewayError {
  return new GatewayError('not-found', `There is no ${what} here.`, { code: 'not_found' })
}

import { Elysia } from 'elysia'
import type { Dialect } from '../core/dialect.ts'
import type { Gateway } from '../gateway/run.ts'
import type { RequestRecord } from '../observe/record.ts'
import type { ResponseStore } from '../store/responses.ts'
import { basePaths, isDocumented } from './base-paths.ts'
import type { TakeBody } from './dialect-routes.ts'
import { bodyCheck } from './invalid.ts'

export interface CountRouteOptions {
  gateway: Gateway
  store: ResponseStore
  recordOf: (request: Request) => RequestRecord
  takeBody: TakeBody
}

/**
 * What a body would cost, without asking any upstream: `POST /v1/messages/count_tokens`, of which Claude Code sends
 * about 26 at once and adds them up, and `POST /v1/responses/input_tokens`.
 */
export function countRoutes(dialect: Dialect, { gateway, store, recordOf, takeBody }: CountRouteOptions) {
  const app = new Elysia()
  const { count } = dialect
  if (!count) return app
  const check = bodyCheck(dialect.body)
  for (const basePath of basePaths)
    app.post(
      basePath + dialect.path + count.path,
      async ({ request }) => {
        const body = await takeBody(request, check, false)
        const complete = dialect.memory ? dialect.memory.recall(body, store.get) : body
        const asked = dialect.decode(complete, request.headers).request
        const record = recordOf(request)
        record.model = asked.model
        const { signal } = request
        return count.encode(await gateway.count(asked, { signal, note: (note) => record.notes.push(note) }))
      },
      {
        parse: 'none',
        detail: { hide: !isDocumented(basePath), tags: [dialect.id], summary: 'What a request would cost' },
      },
    )
  return app
}

import { type Clock, withTimeout } from '../../core/clock.ts'
import { GatewayError } from '../../core/errors.ts'
import { sseMessage } from '../../core/sse.ts'
import type { OperatorAccess } from '../../http/operator-access.ts'
import { addressOf } from '../../http/own-address.ts'
import type { Route } from '../../http/route.ts'
import type { OperatorContext, ServingProgram } from '../operator-context.ts'
import { adminRoute } from '../route.ts'
import { DoctorStep } from '../schema/doctor.ts'
import { Licences } from '../schema/licences.ts'
import { System } from '../schema/system.ts'
import { eventStream } from './events.ts'

/** `/admin/api/system`, `/admin/api/licences` and `/admin/api/doctor`: what is set, what is inside, and whether it works. */
export function systemRoutes(operator: OperatorContext, { admission }: Pick<OperatorAccess, 'admission'>): Route[] {
  const { version, startedAt, uptimeMs } = operator
  return [
    adminRoute(
      {
        method: 'GET',
        path: '/system',
        summary: 'What runs here, what is set and where it comes from',
        answer: System,
        handle: ({ request }) => ({
          ...programOf(operator).system(addressOf(request)),
          ...{ version, started_at: startedAt, uptime_ms: uptimeMs() },
        }),
      },
      operator,
    ),
    adminRoute(
      {
        method: 'GET',
        path: '/licences',
        summary: 'The packages inside the program, each with the text of its licence',
        answer: Licences,
        handle: async () => ({ packages: await programOf(operator).licences() }),
      },
      operator,
    ),
    adminRoute(
      {
        method: 'POST',
        path: '/doctor',
        summary: 'Check everything, step by step',
        description:
          'Server-sent events: one `step` for each check as it ends, then `done`. The checks ask the upstreams for a few tokens. Closing the stream stops them.',
        answer: DoctorStep,
        contentType: 'text/event-stream',
        handle: ({ request }) => eventStream(doctorStream(programOf(operator), operator.clock, admission(request))),
      },
      operator,
    ),
  ]
}

function programOf({ program }: OperatorContext): ServingProgram {
  if (program) return program
  throw new GatewayError('not-found', 'This gateway runs inside another program.', { code: 'no_program' })
}

/** A check may take a minute, and an idle connection is closed sooner, so comments are sent meanwhile. */
const commentMs = 2_000

function doctorStream({ doctor }: ServingProgram, clock: Clock, isAllowed: () => boolean): ReadableStream<Uint8Array> {
  const stop = new AbortController()
  const encoder = new TextEncoder()
  const steps = doctor(stop.signal)[Symbol.asyncIterator]()
  const message = (event: string, data: object) => encoder.encode(sseMessage(JSON.stringify(data), event))
  let next: Promise<IteratorResult<DoctorStep>> | undefined
  return new ReadableStream({
    async pull(controller) {
      next ??= steps.next()
      const step = await withTimeout(next, commentMs, () => undefined, clock)
      // The page has left meanwhile.
      if (stop.signal.aborted) return
      if (!isAllowed()) {
        stop.abort()
        return controller.close()
      }
      if (step === undefined) return controller.enqueue(encoder.encode(':\n\n'))
      next = undefined
      if (!step.done) return controller.enqueue(message('step', step.value))
      controller.enqueue(message('done', {}))
      controller.close()
    },
    cancel: () => stop.abort(),
  })
}

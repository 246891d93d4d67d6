import { GatewayError } from '../../core/errors.ts'
import type { Route } from '../../http/route.ts'
import type { OperatorContext } from '../operator-context.ts'
import { adminRoute } from '../route.ts'
import { Capture, CaptureChange } from '../schema/capture.ts'

/** A day. To capture for longer, the operator sets CAPTURE. */
const mostMinutes = 1_440

/** `/admin/api/capture`: sets which bodies of later requests are kept, and for how many minutes. */
export function captureRoutes({ capture, clock }: OperatorContext): Route[] {
  return [
    adminRoute(
      {
        method: 'POST',
        path: '/capture',
        summary: 'What is kept of later requests',
        description: 'Without `minutes` it stays so until the gateway ends; then CAPTURE counts again.',
        body: CaptureChange,
        answer: Capture,
        handle({ body: { mode, minutes } }) {
          if (minutes !== undefined && (minutes < 1 || minutes > mostMinutes))
            throw new GatewayError('invalid-request', `minutes: expected 1 to ${mostMinutes}`, { param: 'minutes' })
          capture.set(mode, minutes)
          return capture.state()
        },
      },
      { clock },
    ),
  ]
}

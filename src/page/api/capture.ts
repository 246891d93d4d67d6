import type { Capture } from '../../admin/schema/capture.ts'
import { send } from './client.ts'
import { capture } from './live.ts'

/** How long the page keeps more of requests than is configured. */
export const captureMinutes = 30

/** Changes what is kept of requests; without `minutes` until the next change. Errors: ApiError. */
export async function setCapture(mode: Capture['mode'], minutes?: number): Promise<void> {
  capture.value = await send<Capture>('POST', 'capture', { mode, minutes })
}

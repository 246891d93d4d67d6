import { systemClock } from '../async/system-clock.ts'
import { readPdf } from './pdf.ts'
import type { PdfJob, PdfMessage } from './pdf-messages.ts'

// A thread that reads one PDF. It is an entry point of its own; the executable has it beside main.ts (deploy/build.ts).
self.onmessage = ({ data: { data, options } }: MessageEvent<PdfJob>) => readPdf(data, options, systemClock, post)

function post(step: PdfMessage): void {
  self.postMessage(step)
  // The pixels of a scanned page take 100 MB, and the engine would let those of many pages lie.
  if (step.type === 'page' && step.page.images.length > 0) Bun.gc(true)
}

import { systemClock } from '../async/system-clock.ts'
import { readPdf } from './pdf.ts'
import type { PdfJob, PdfMessage } from './pdf-messages.ts'

// A worker thread that reads one PDF. It is a separate entry point: deploy/build.ts adds it to the executable.
self.onmessage = ({ data: { data, options } }: MessageEvent<PdfJob>) => readPdf(data, options, systemClock, post)

function post(step: PdfMessage): void {
  self.postMessage(step)
  // The pixels of a scanned page take 100 MB. Without a collection here, the engine would keep the pixels of many
  // pages.
  if (step.type === 'page' && step.page.images.length > 0) Bun.gc(true)
}

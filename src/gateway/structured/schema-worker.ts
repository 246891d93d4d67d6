import { loadValidation, type ValidationJob } from './validation.ts'
import type { WorkerMessage } from './worker-queue.ts'

// A worker thread that validates against schemas. It is a separate entry point: deploy/build.ts adds it to the executable.
const validation = loadValidation()

self.onmessage = async ({ data: job }: MessageEvent<ValidationJob>) => {
  try {
    const validate = await validation
    post({ type: 'begun' })
    post({ type: 'judged', validated: validate(job) })
  } catch {
    post({ type: 'failed' })
  }
}

function post(message: WorkerMessage): void {
  self.postMessage(message)
}

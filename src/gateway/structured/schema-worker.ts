import { loadValidation, type ValidationJob } from './validation.ts'
import type { WorkerMessage } from './worker-queue.ts'

// A thread that judges by schemas. It is an entry point of its own; the executable has it beside main.ts (deploy/build.ts).
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

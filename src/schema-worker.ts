import { loadValidation, type ValidationJob } from './gateway/structured/validate.ts'
import type { WorkerMessage } from './gateway/structured/validator-lane.ts'

// A thread that judges by schemas. It is an entry point of its own, beside main.ts, where the executable looks for it.
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

import { createValidation, type ValidationJob } from './gateway/structured/validate.ts'
import type { ThreadMessage } from './gateway/structured/validator-lane.ts'

// A thread that judges by schemas. It is an entry point of its own, beside main.ts, where the executable looks for it.
const validation = createValidation()

self.onmessage = async ({ data: job }: MessageEvent<ValidationJob>) => {
  try {
    const judge = await validation
    post({ type: 'begun' })
    post({ type: 'judged', validated: judge(job) })
  } catch {
    post({ type: 'failed' })
  }
}

function post(message: ThreadMessage): void {
  self.postMessage(message)
}

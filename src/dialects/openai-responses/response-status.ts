import type { Fields } from '../openai/json-fields.ts'

/** Whether a response is still being written. */
export function isUnfinished({ status }: Fields): boolean {
  return status === 'queued' || status === 'in_progress'
}

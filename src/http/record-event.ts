import type { Clock } from '../core/clock.ts'
import type { StreamEvent } from '../core/events.ts'
import { enterPhase, type RequestRecord } from '../observe/record.ts'

/** Notes in the record of a request what an event of its reply tells: the phase, the first token, the usage, the error. */
export function recordEvent(event: StreamEvent, record: RequestRecord, clock: Clock): void {
  switch (event.type) {
    case 'text-delta':
    case 'reasoning-delta':
    case 'tool-call-delta':
      return
    case 'message-start':
      record.firstTokenMs = clock.monotonic() - record.startedMonotonic
      record.promptTokens = event.inputTokens
      return
    case 'reasoning-start':
      record.timeline?.begin('reasoning')
      enterPhase(record, 'reasoning')
      return
    case 'text-start':
      record.timeline?.begin('text')
      enterPhase(record, 'writing')
      return
    case 'tool-call-start':
      record.timeline?.begin('tool', event.name)
      enterPhase(record, 'tool', event.name)
      return
    case 'message-end':
      record.usage = event.usage
      record.stopReason = event.reason
      record.timeline?.begin('close')
      return
    case 'error':
      record.error = event.error
      if (event.usage) record.usage = event.usage
      record.timeline?.begin('close')
      return
    default:
  }
}

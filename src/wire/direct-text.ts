import type { DirectWriter } from '../core/batch-stream.ts'
import type { Delta } from '../core/events.ts'
import type { ByteRange } from '../http-client/byte-range.ts'
import { restOf } from '../http-client/byte-range.ts'
import { type EventTemplate, matchedText, matchTemplate, unescaped } from './event-template.ts'
import type { PartialEvent } from './partial-event.ts'

/** Characters that may have been written directly before those who count them learn of it. */
const maxUnaccounted = 2_048

/** Writes text of events that match a template straight to the client, around all that lies between. */
export interface DirectText {
  /** What may be written directly from here to the next batch: events of `template`, by `writer`. */
  offer(writer: DirectWriter | undefined, template: EventTemplate | undefined): void
  /**
   * Writes the events at the beginning of `range`. Returns what has to be read into a batch; `undefined` where nothing
   * is left and more of the same may come, so that no batch is needed yet.
   */
  write(range: ByteRange): ByteRange | undefined
  /** Accounts for what was written. What it becomes besides text of the writer's kind is appended to `batch`. */
  account(batch: Delta[]): void
}

export function directText(partial: PartialEvent): DirectText {
  let writer: DirectWriter | undefined
  // Of the events whose text the writer may write.
  let template: EventTemplate | undefined
  // Written, and not accounted for yet, as it stands in JSON.
  let unaccounted = ''

  return {
    offer(nextWriter, nextTemplate) {
      writer = nextWriter
      template = nextTemplate?.kind() === nextWriter?.kind ? nextTemplate : undefined
    },
    write(range) {
      if (writer === undefined || template === undefined) return range
      const found = matchTemplate(range, template, writer.except)
      const rest = restOf(range, found.end)
      unaccounted += matchedText(found)
      const next = found.texts.length > 0 ? writer.write(found.texts, found.areBytes) : 'go on'
      const more = next === 'go on' && unaccounted.length <= maxUnaccounted
      return more && partial.keep(rest, template) ? undefined : rest
    },
    account(batch) {
      if (unaccounted === '') return
      const deltas: Delta[] = []
      template?.emit(unescaped(unaccounted), deltas)
      unaccounted = ''
      for (const delta of deltas)
        if (delta.type === writer?.kind && 'text' in delta) writer.account(delta.text)
        else batch.push(delta)
    },
  }
}

import type { DirectWriter } from '../core/batch-stream.ts'
import type { Delta } from '../core/events.ts'
import type { ByteRange } from '../http-client/byte-range.ts'
import { restOf } from '../http-client/byte-range.ts'
import { type EventTemplate, matchedText, matchTemplate, unescaped } from './event-template.ts'
import type { PartialEvent } from './partial-event.ts'

/** Characters that may be written directly before the transforms and the encoder are told about them. */
const maxUnaccounted = 2_048

/** Writes the text of events that match a template straight to the client, without the transforms and the encoder. */
export interface DirectText {
  /** Allows the text of events that match `template` to be written with `writer` until the next batch. */
  offer(writer: DirectWriter | undefined, template: EventTemplate | undefined): void
  /**
   * Writes the events at the beginning of `range`. Returns the bytes that have to be read into a batch; `undefined` if
   * nothing is left and more such events may follow, so that no batch is needed yet.
   */
  write(range: ByteRange): ByteRange | undefined
  /** Accounts for the text that was written. Deltas other than text of the writer's kind are appended to `batch`. */
  account(batch: Delta[]): void
  /**
   * Reports the text that was written to the decoder only. No client reads the rest of the reply, so nothing else needs
   * it.
   */
  abandon(): void
}

export function directText(partial: PartialEvent): DirectText {
  let writer: DirectWriter | undefined
  // The template of the events whose text may be written.
  let template: EventTemplate | undefined
  // Text that is written but not accounted for yet, as the content of a JSON string.
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
    abandon() {
      if (unaccounted !== '') template?.emit(unescaped(unaccounted), [])
      unaccounted = ''
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

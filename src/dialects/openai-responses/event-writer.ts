import { isLongText, longTextJson } from '../../core/long-json.ts'
import { sseMessage } from '../../core/sse.ts'

/** Writes the events of one stream, numbered from 0. */
export interface EventWriter {
  event(type: string, members: object): string
  /** The events that follow hold this whole text, some of them the same. */
  expectText(text: string): void
  /** Sets the type and the members of the deltas that follow. */
  beginDeltas(type: string, members: object): void
  /** A delta. `piece` is a JSON string without its quotes. */
  delta(piece: string): string
}

export function eventWriter(): EventWriter {
  let number = 0
  // Each delta costs one JSON.stringify of its text, because the text around it is the same for the whole block.
  let beforeNumber = ''
  let beforeText = ''
  let json: (value: object) => string = JSON.stringify
  let hasLong = false

  return {
    event: (type, members) => sseMessage(json({ type, sequence_number: number++, ...members }), type),
    expectText(text) {
      if (hasLong || !isLongText(text)) return
      hasLong = true
      json = longTextJson()
    },
    beginDeltas(type, members) {
      beforeNumber = `event: ${type}\ndata: {"type":"${type}","sequence_number":`
      beforeText = `,${JSON.stringify(members).slice(1, -1)},"delta":"`
    },
    delta: (piece) => `${beforeNumber}${number++}${beforeText}${piece}"}\n\n`,
  }
}

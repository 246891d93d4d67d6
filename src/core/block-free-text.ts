import type { StreamEvent } from './events.ts'
import type { TextWriter } from './reply-encoder.ts'
import { jsonEscape } from './sse.ts'

export interface BlockFreeTextOptions {
  text: TextWriter
  reasoning: TextWriter
  /** Written between two blocks of reasoning. */
  separator: string
}

type TextDelta = Extract<StreamEvent, { type: 'text-delta' | 'reasoning-delta' }>

/** Text and reasoning of a reply for clients that know no blocks: they read all of each as one text. */
export interface BlockFreeText {
  startReasoning(): void
  write(event: TextDelta, out: string[]): void
  /** For `textWriter` of the encoder. */
  writer(): TextWriter | undefined
}

export function blockFreeText({ text, reasoning, separator }: BlockFreeTextOptions): BlockFreeText {
  // Writes the next piece of the open block without an event.
  let writer: TextWriter | undefined
  let reasoningBlocks = 0
  // Written before the next piece of reasoning, to separate its block from the one before.
  let gap = ''

  return {
    startReasoning() {
      if (reasoningBlocks++ > 0) gap = separator
    },
    write(event, out) {
      if (event.type === 'text-delta') {
        out.push(text.write([jsonEscape(event.text)]))
        writer = text
      } else {
        out.push(reasoning.write([jsonEscape(gap + event.text)]))
        gap = ''
        writer = reasoning
      }
      writer.account(event.text, out)
    },
    writer: () => writer,
  }
}

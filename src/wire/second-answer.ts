import { type Delta, isFinal, type Usage } from '../core/events.ts'
import { OnlyReasoning } from '../core/only-reasoning.ts'
import type { FastPath, Source } from '../core/source.ts'

export interface SecondAnswerOptions {
  /** Asks once more, without thinking; `undefined` where the model cannot be kept from it. */
  again: (() => Promise<Source<Delta[]>>) | undefined
  note: (note: string) => void
}

type OnBatch = (batch: Delta[] | undefined) => void

/**
 * The same reply, but that one of thoughts alone gets an answer: that of a second call without thinking, else the
 * thoughts themselves. Nothing of the thoughts has to be taken back for it, so a stream goes on as a whole reply does.
 *
 * The tokens of both calls are counted as output; the prompt counts once, for it stands in the conversation once.
 */
export function withSecondAnswer(source: Source<Delta[]>, { again, note }: SecondAnswerOptions): Source<Delta[]> {
  let current = source
  let state: 'first' | 'asking' | 'second' | 'over' = 'first'
  // What is handed out where the second call brings nothing.
  let fallback = ''
  let usage: Usage | undefined
  let answered = false

  return {
    next(onBatch, fast) {
      if (state === 'first') readFirst(onBatch, fast)
      else if (state === 'asking') ask(onBatch)
      else if (state === 'second') readSecond(onBatch)
      else onBatch(undefined)
    },
    cancel() {
      state = 'over'
      current.cancel()
    },
  }

  function readFirst(onBatch: OnBatch, fast: FastPath | undefined): void {
    current.next((batch) => {
      const last = batch?.at(-1)
      if (last?.type !== 'error' || !(last.error instanceof OnlyReasoning) || state === 'over') {
        onBatch(batch)
        return
      }
      fallback = last.error.text
      const before = batch?.slice(0, -1) ?? []
      for (const delta of before) if (delta.type === 'usage') usage = delta.usage
      if (again === undefined) onBatch([...before, ...thoughtsAsAnswer()])
      else {
        state = 'asking'
        if (before.length > 0) onBatch(before)
        else ask(onBatch)
      }
    }, fast)
  }

  function ask(onBatch: OnBatch): void {
    note('asking again without thinking: the reply held thoughts alone')
    again?.().then(
      (second) => {
        if (state === 'over') {
          second.cancel()
          onBatch(undefined)
          return
        }
        current = second
        state = 'second'
        readSecond(onBatch)
      },
      () => onBatch(state === 'over' ? undefined : thoughtsAsAnswer()),
    )
  }

  function readSecond(onBatch: OnBatch): void {
    current.next((batch) => {
      if (state === 'over') {
        onBatch(undefined)
        return
      }
      const out = (batch ?? []).flatMap(shown)
      const last = batch?.at(-1)
      if (!answered && (last === undefined ? batch === undefined : isFinal(last))) {
        if (last?.type === 'error' && last.error instanceof OnlyReasoning) fallback = last.error.text
        out.push(...thoughtsAsAnswer())
      }
      if (out.length > 0) onBatch(out)
      else if (batch === undefined) onBatch(undefined)
      else readSecond(onBatch)
    })
  }

  /** What the client gets of the second call. */
  function shown(delta: Delta): Delta[] {
    if (delta.type === 'usage') return [{ type: 'usage', usage: withFirst(delta.usage) }]
    answered ||= delta.type === 'tool-call' || (delta.type === 'text' && delta.text.trim() !== '')
    // Without thinking, what it thinks all the same is its answer or nothing.
    return delta.type === 'reasoning' || (isFinal(delta) && !answered) ? [] : [delta]
  }

  function withFirst(second: Usage): Usage {
    return { ...second, outputTokens: second.outputTokens + (usage?.outputTokens ?? 0) }
  }

  function thoughtsAsAnswer(): Delta[] {
    state = 'over'
    current.cancel()
    note('handed the thoughts out as the answer: the reply held nothing else')
    return [
      { type: 'text', text: fallback },
      { type: 'finish', reason: 'stop' },
    ]
  }
}

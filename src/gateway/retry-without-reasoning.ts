import { type Delta, isFinal, type Usage } from '../core/events.ts'
import { ReasoningOnlyError } from '../core/reasoning-only-error.ts'
import type { OpenedReply } from '../core/upstream.ts'

export interface RetryOptions {
  /** Asks once more, without thinking; `undefined` where the model cannot be kept from it. */
  again: (() => Promise<OpenedReply>) | undefined
  annotate: (note: string) => void
}

type OnBatch = (batch: Delta[] | undefined) => void

/**
 * The same reply, but that one of reasoning alone gets an answer: that of a second call without thinking, else the
 * thoughts themselves. Nothing of the thoughts has to be taken back for it, so a stream goes on as a whole reply does.
 *
 * The tokens of both calls are counted as output; the prompt counts once, for it stands in the conversation once.
 */
export function retryWithoutReasoning({ first, rest }: OpenedReply, { again, annotate }: RetryOptions): OpenedReply {
  let current = rest
  let state: 'first' | 'asking' | 'second' | 'over' = 'first'
  let waiting: OnBatch = () => {}
  // What is handed out where the second call brings nothing.
  let fallback = ''
  let usage: Usage | undefined
  let answered = false

  return {
    first: shownOfFirst(first),
    rest: {
      next(onBatch, writer) {
        waiting = onBatch
        if (state === 'first') current.next(onFirst, writer)
        else if (state === 'asking') callAgain()
        else if (state === 'second') current.next(onSecond)
        else onBatch(undefined)
      },
      cancel() {
        state = 'over'
        current.cancel()
      },
    },
  }

  function onFirst(batch: Delta[] | undefined): void {
    const shown = batch && state !== 'over' ? shownOfFirst(batch) : batch
    if (state === 'asking' && shown?.length === 0) callAgain()
    else waiting(shown)
  }

  /** All of it, but for the error that asks for a second call. */
  function shownOfFirst(batch: Delta[]): Delta[] {
    const last = batch.at(-1)
    if (last?.type !== 'error' || !(last.error instanceof ReasoningOnlyError)) return batch
    fallback = last.error.text
    const before = batch.slice(0, -1)
    for (const delta of before) if (delta.type === 'usage') usage = delta.usage
    if (again === undefined) return [...before, ...reasoningAsAnswer()]
    state = 'asking'
    // The call after it needs what this one holds.
    current.cancel()
    return before
  }

  function callAgain(): void {
    annotate('asking again without thinking: the reply held thoughts alone')
    again?.().then(
      (second) => {
        current = second.rest
        if (state === 'over') current.cancel()
        else state = 'second'
        onSecond(second.first)
      },
      () => waiting(state === 'over' ? undefined : reasoningAsAnswer()),
    )
  }

  function onSecond(batch: Delta[] | undefined): void {
    if (state === 'over') {
      waiting(undefined)
      return
    }
    const out = (batch ?? []).flatMap(shownOfSecond)
    const last = batch?.at(-1)
    if (!answered && (last === undefined ? batch === undefined : isFinal(last))) {
      if (last?.type === 'error' && last.error instanceof ReasoningOnlyError) fallback = last.error.text
      out.push(...reasoningAsAnswer())
    }
    if (out.length > 0) waiting(out)
    else if (batch === undefined) waiting(undefined)
    else current.next(onSecond)
  }

  function shownOfSecond(delta: Delta): Delta[] {
    if (delta.type === 'usage') return [{ type: 'usage', usage: withFirst(delta.usage) }]
    answered ||= delta.type === 'tool-call' || (delta.type === 'text' && delta.text.trim() !== '')
    // Without thinking, what it thinks all the same is its answer or nothing.
    return delta.type === 'reasoning' || (isFinal(delta) && !answered) ? [] : [delta]
  }

  function withFirst(second: Usage): Usage {
    return { ...second, outputTokens: second.outputTokens + (usage?.outputTokens ?? 0) }
  }

  function reasoningAsAnswer(): Delta[] {
    state = 'over'
    current.cancel()
    annotate('handed the thoughts out as the answer: the reply held nothing else')
    return [
      { type: 'text', text: fallback },
      { type: 'finish', reason: 'stop' },
    ]
  }
}

import { type Delta, isFinal, type Usage } from '../core/events.ts'
import { ReasoningOnlyError } from '../core/reasoning-only-error.ts'
import type { OpenedReply } from '../core/upstream.ts'

export interface RetryOptions {
  /** Calls the upstream again without reasoning; `undefined` if the model's reasoning cannot be turned off. */
  callAgain: (() => Promise<OpenedReply>) | undefined
  annotate: (note: string) => void
}

type OnBatch = (batch: Delta[] | undefined) => void

/**
 * Gives a reply that consists of reasoning only an answer: the answer of a second call without reasoning, else the
 * reasoning itself as text. The reasoning that was already sent stays valid, so this works for streams, too.
 *
 * The output tokens of both calls are added up. The prompt counts once, because the conversation contains it once.
 */
export function retryWithoutReasoning(
  { first, rest }: OpenedReply,
  { callAgain, annotate }: RetryOptions,
): OpenedReply {
  let current = rest
  let state: 'first' | 'calling-again' | 'second' | 'over' = 'first'
  let waiting: OnBatch = () => {}
  // The reasoning, which becomes the answer if the second call brings none.
  let fallback = ''
  let usage: Usage | undefined
  let answered = false

  return {
    first: shownOfFirst(first),
    rest: {
      next(onBatch, writer) {
        waiting = onBatch
        if (state === 'first') current.next(onFirst, writer)
        else if (state === 'calling-again') startSecond()
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
    if (state === 'calling-again' && shown?.length === 0) startSecond()
    else waiting(shown)
  }

  /** The batch without the error that reports a reply of reasoning only, which starts the second call. */
  function shownOfFirst(batch: Delta[]): Delta[] {
    const last = batch.at(-1)
    if (last?.type !== 'error' || !(last.error instanceof ReasoningOnlyError)) return batch
    fallback = last.error.text
    const before = batch.slice(0, -1)
    for (const delta of before) if (delta.type === 'usage') usage = delta.usage
    if (callAgain === undefined) return [...before, ...reasoningAsAnswer()]
    state = 'calling-again'
    // Frees the credential that the second call needs.
    current.cancel()
    return before
  }

  function startSecond(): void {
    annotate('asking again without reasoning: the reply held nothing else')
    callAgain?.().then(
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
    // Reasoning in the second reply is not shown. It becomes the answer if there is no other.
    return delta.type === 'reasoning' || (isFinal(delta) && !answered) ? [] : [delta]
  }

  function withFirst(second: Usage): Usage {
    return { ...second, outputTokens: second.outputTokens + (usage?.outputTokens ?? 0) }
  }

  function reasoningAsAnswer(): Delta[] {
    state = 'over'
    current.cancel()
    annotate('sent the reasoning as the answer: the reply held nothing else')
    return [
      { type: 'text', text: fallback },
      { type: 'finish', reason: 'stop' },
    ]
  }
}

import { type BatchStream, fromAsync, readBatch } from '../../core/batch-stream.ts'
import type { AttemptObserver } from '../../core/call-observer.ts'
import type { Clock } from '../../core/clock.ts'
import { asGatewayError, cancelled, GatewayError } from '../../core/errors.ts'
import type { Delta } from '../../core/events.ts'
import type { OpenedReply } from '../../core/upstream.ts'
import type { ScriptStep } from './script.ts'

export interface PlayOptions {
  clock: Clock
  signal: AbortSignal
  /** Longest silence before the stream ends with an error. */
  idleMs: number
  observed?: AttemptObserver | undefined
}

/** Plays the timeline; resolves and rejects as documented at `Upstream.open`. */
export async function open(steps: readonly ScriptStep[], options: PlayOptions): Promise<OpenedReply> {
  options.observed?.answered(200)
  options.observed?.exchange?.answered({ status: 200, headers: [] })
  try {
    const opened = await begin(steps, options)
    options.observed?.begun()
    return opened
  } catch (thrown) {
    options.observed?.failed(asGatewayError(thrown))
    throw thrown
  }
}

async function begin(steps: readonly ScriptStep[], options: PlayOptions): Promise<OpenedReply> {
  const source = timeline(steps, options)
  const first = await readBatch(source)
  if (first === undefined)
    throw new GatewayError('upstream-truncated', 'The demo broke off before it said anything, as your message asks.')
  const [delta] = first
  if (delta?.type === 'error') throw delta.error
  return { first, rest: source }
}

/** One batch per step. A wait of 0 needs no timer; a longer one ends at once on abort or cancel. */
function timeline(
  steps: readonly ScriptStep[],
  { clock, signal, idleMs, observed }: PlayOptions,
): BatchStream<Delta[]> {
  let next = 0
  let over = false
  let wake: ((reason: 'due' | 'aborted' | 'left') => void) | undefined

  return fromAsync<Delta>(play, () => {
    over = true
    observed?.ended()
    wake?.('left')
  })

  async function play(): Promise<Delta[] | undefined> {
    const step = over ? undefined : steps[next++]
    if (step === undefined) {
      observed?.ended()
      return undefined
    }
    if (signal.aborted) return fail(cancelled(signal.reason))
    if (step.waitMs === 0) return observe(step.deltas)
    const reason = await wait(Math.min(step.waitMs, idleMs))
    switch (reason) {
      case 'due':
        return step.waitMs > idleMs ? fail(silenceError(idleMs)) : observe(step.deltas)
      case 'aborted':
        return fail(cancelled(signal.reason))
      case 'left':
        return undefined
      default:
        return reason satisfies never
    }
  }

  /** There is no wire: an observer sees the deltas themselves, one a line. */
  function observe(deltas: Delta[]): Delta[] {
    const bytes = observed?.exchange && Buffer.from(deltas.map((delta) => `${JSON.stringify(delta)}\n`).join(''))
    if (bytes) observed?.exchange?.received({ bytes, start: 0, end: bytes.length })
    return deltas
  }

  function wait(ms: number): Promise<'due' | 'aborted' | 'left'> {
    return new Promise((resolve) => {
      const stopTimer = clock.after(ms, () => wake?.('due'))
      const onAbort = () => wake?.('aborted')
      signal.addEventListener('abort', onAbort)
      wake = (reason) => {
        wake = undefined
        stopTimer()
        signal.removeEventListener('abort', onAbort)
        resolve(reason)
      }
    })
  }

  function fail(error: GatewayError): Delta[] {
    over = true
    return [{ type: 'error', error }]
  }
}

function silenceError(idleMs: number): GatewayError {
  return new GatewayError('timeout', `The demo said nothing for ${idleMs / 1000} s, so the answer was given up.`, {
    code: 'upstream_idle',
  })
}

import { GatewayError } from '../core/errors.ts'
import { type Delta, isFinal } from '../core/events.ts'
import { read, type Source } from '../core/source.ts'

/** A reply that has begun: what was read to know so, and what follows. */
export interface Opening {
  first: Delta[]
  rest: Source<Delta[]>
}

/**
 * Reads until there is something to tell, or to the end of the reply when all of it decides what becomes of it.
 *
 * Errors: the reply's own when that is the first thing it tells; `upstream-truncated` when it tells nothing.
 */
export async function openingOf(source: Source<Delta[]>, toTheEnd: boolean): Promise<Opening> {
  const first: Delta[] = []
  for (;;) {
    const batch = await read(source)
    if (batch !== undefined) first.push(...batch)
    const telling = first.find(isTelling)
    if (telling === undefined && batch !== undefined) continue
    if (telling === undefined || telling.type === 'error') {
      source.cancel()
      throw (
        telling?.error ?? new GatewayError('upstream-truncated', 'Z.AI closed the stream without an answer. Try again.')
      )
    }
    if (!toTheEnd || batch === undefined || first.some(isFinal)) return { first, rest: source }
  }
}

/** The reply from its first delta on. */
export function replay({ first, rest }: Opening): Source<Delta[]> {
  let held: Delta[] | undefined = first
  return {
    next(hear, fast) {
      const batch = held
      held = undefined
      if (batch === undefined) rest.next(hear, fast)
      else hear(batch)
    },
    cancel() {
      held = undefined
      rest.cancel()
    },
  }
}

/** The same source; `over` is called once, when it has ended or nobody wants it any more. */
export function lasting(source: Source<Delta[]>, over: () => void, signal: AbortSignal): Source<Delta[]> {
  let here = true
  const leave = () => {
    if (here) over()
    here = false
  }
  signal.addEventListener('abort', leave, { once: true })
  let waiting: (batch: Delta[] | undefined) => void = () => {}
  const heard = (batch: Delta[] | undefined) => {
    if (batch === undefined) leave()
    waiting(batch)
  }
  return {
    next(hear, fast) {
      waiting = hear
      source.next(heard, fast)
    },
    cancel() {
      source.cancel()
      leave()
    },
  }
}

function isTelling(delta: Delta): boolean {
  switch (delta.type) {
    case 'text':
    case 'reasoning':
      return delta.text.trim() !== ''
    case 'tool-call':
    case 'finish':
    case 'error':
      return true
    case 'server-tool':
    case 'usage':
      return false
    default:
      return delta satisfies never
  }
}

import { asGatewayError, type GatewayError } from './errors.ts'
import type { ProseKind } from './events.ts'
import { bothPass, type Machine, type Passage } from './machine.ts'

/**
 * A stream of batches that come when they are asked for: one batch a network read, however many items it brought.
 * Heard by a callback, not by a promise, for this runs for every event of every stream.
 */
export interface Source<Batch> {
  /**
   * Asks for the next batch. `hear` is called once, maybe before `next` returns; with `undefined` once the stream is
   * over. Failure is an item of the stream. Ask again only when you have heard, and throw nothing from `hear`.
   * Until then text may take the `fast` path.
   */
  next(hear: (batch: Batch | undefined) => void, fast?: FastPath): void
  /** Gives up: closes whatever stands behind. Safe to call at any time, more than once. */
  cancel(): void
}

/**
 * A way around all that lies between the bytes of the upstream and those of the client, for text that would come out
 * as it went in: most of a reply. What lies between hears of it later, as `told`, once for dozens of events: with
 * hundreds of streams nothing of it is in the processor's caches any more, and it would cost half of each event.
 */
export interface FastPath {
  kind: ProseKind
  /** Pieces in which it is found go the long way. */
  except?: RegExp | undefined
  /**
   * Writes pieces of the open block, each an event: JSON strings without their quotes, as `JSON.stringify` has them.
   * With `areBytes` each of their characters stands for a byte of UTF-8.
   */
  write(pieces: readonly string[], areBytes: boolean): 'go on' | 'catch up'
}

/** What every kind of item has a word for. */
interface Failure {
  type: 'error'
  error: GatewayError
}

/** The next batch, for those who wait for few. */
export function read<Batch>(source: Source<Batch>): Promise<Batch | undefined> {
  return new Promise((resolve) => source.next(resolve))
}

/** A source whose batches are waited for. One that rejects has failed, and is over. */
export function polled<Item>(read: () => Promise<Item[] | undefined>, cancel: () => void): Source<Item[] | Failure[]> {
  let failed = false
  return {
    next(hear) {
      if (failed) hear(undefined)
      else
        read().then(hear, (thrown) => {
          failed = true
          hear([{ type: 'error', error: asGatewayError(thrown) }])
        })
    },
    cancel,
  }
}

/** `source` through `machine`, a batch for a batch; over, and `source` given up, with an item that `isLast`. */
export function piped<In, Out extends { type: string }>(
  source: Source<In[]>,
  machine: Machine<In, Out>,
  isLast: (item: Out | Failure) => boolean,
): Source<(Out | Failure)[]> {
  let over = false
  let waiting: (batch: (Out | Failure)[] | undefined) => void = () => {}
  return {
    next(hear, fast) {
      waiting = hear
      if (over) hear(undefined)
      else source.next(heard, fast && narrowed(fast, machine.passes?.(fast.kind)))
    },
    cancel() {
      over = true
      source.cancel()
    },
  }

  function heard(batch: In[] | undefined): void {
    const out: Out[] = []
    const failure = through(batch, out)
    const all: (Out | Failure)[] = failure ? [...out, failure] : out
    const last = all.at(-1)
    if (batch === undefined || (last !== undefined && isLast(last))) {
      over = true
      source.cancel()
    }
    if (last !== undefined) waiting(all)
    else if (over) waiting(undefined)
    else source.next(heard)
  }

  /** Whatever a machine throws, its stream ends and says so. */
  function through(batch: In[] | undefined, out: Out[]): Failure | undefined {
    try {
      if (batch === undefined) machine.end(out)
      else for (const item of batch) machine.push(item, out)
      return undefined
    } catch (thrown) {
      return { type: 'error', error: asGatewayError(thrown) }
    }
  }
}

/** The path for what `passage` lets by as well. */
function narrowed(fast: FastPath, passage: Passage | undefined): FastPath | undefined {
  const open = bothPass(fast.except ?? true, passage)
  if (open === true || open === fast.except) return fast
  return open === false ? undefined : { ...fast, except: open }
}

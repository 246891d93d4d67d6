import { asGatewayError, type GatewayError } from './errors.ts'
import { type Delta, isFinal, type TextKind } from './events.ts'
import { passthroughOfBoth, type Transform } from './transform.ts'

/**
 * A stream of batches that come when they are asked for: one batch a network read, however many items it brought.
 * Heard by a callback, not by a promise, for this runs for every event of every stream.
 */
export interface BatchStream<Batch> {
  /**
   * Asks for the next batch. `onBatch` is called once, maybe before `next` returns; with `undefined` once the stream is
   * over. Failure is an item of the stream. Ask again only after `onBatch` was called, and throw nothing from `onBatch`.
   * Until then text may be written by `direct`.
   */
  next(onBatch: (batch: Batch | undefined) => void, direct?: DirectWriter): void
  /** Gives up: closes whatever stands behind. Safe to call at any time, more than once. */
  cancel(): void
}

/**
 * Writes text to the client on a way around all that lies between, for text that would come out as it went in: most of
 * a reply. What lies between hears of it later, once for dozens of events: with hundreds of streams nothing of it is in
 * the processor's caches any more, and it would cost half of each event. Made by pipeline.ts alone.
 */
export interface DirectWriter {
  kind: TextKind
  /** Pieces in which it is found go the long way. */
  except?: RegExp | undefined
  /**
   * Writes pieces of the open block, each an event: JSON strings without their quotes, as `JSON.stringify` has them.
   * With `areBytes` each of their characters stands for a byte of UTF-8. After 'catch up', account and deliver.
   */
  write(pieces: readonly string[], areBytes: boolean): 'go on' | 'catch up'
  /** Called with all that was written since the last time, in front of the batch that follows it. */
  account(text: string): void
}

/** What every kind of item has a word for. */
interface FailureItem {
  type: 'error'
  error: GatewayError
}

/** The next batch, for those who wait for few. */
export function readBatch<Batch>(stream: BatchStream<Batch>): Promise<Batch | undefined> {
  return new Promise((resolve) => stream.next(resolve))
}

/** A source whose batches are waited for. One that rejects has failed, and is over. */
export function fromAsync<Item>(
  readBatch: () => Promise<Item[] | undefined>,
  cancel: () => void,
): BatchStream<Item[] | FailureItem[]> {
  let failed = false
  return {
    next(onBatch) {
      if (failed) onBatch(undefined)
      else
        readBatch().then(onBatch, (thrown) => {
          failed = true
          onBatch([{ type: 'error', error: asGatewayError(thrown) }])
        })
    },
    cancel,
  }
}

/** The deltas of `stream` through `transform`, a batch for a batch; over, and `stream` given up, with the last one. */
export function pipe(stream: BatchStream<Delta[]>, transform: Transform<Delta, Delta>): BatchStream<Delta[]> {
  let over = false
  let waiting: (batch: Delta[] | undefined) => void = () => {}
  let out: Delta[] = []
  let direct: { of: DirectWriter; narrowed: DirectWriter } | undefined
  return {
    next(onBatch, writer) {
      waiting = onBatch
      if (over) onBatch(undefined)
      else stream.next(take, writer && narrowed(writer))
    },
    cancel() {
      over = true
      stream.cancel()
    },
  }

  function take(batch: Delta[] | undefined): void {
    push(batch, out)
    const all = out
    out = []
    const last = all.at(-1)
    if (batch === undefined || (last !== undefined && isFinal(last))) {
      over = true
      stream.cancel()
    }
    if (last !== undefined) waiting(all)
    else if (over) waiting(undefined)
    else stream.next(take)
  }

  /** Whatever a transform throws, its stream ends and says so. */
  function push(batch: readonly Delta[] | undefined, to: Delta[]): void {
    try {
      if (batch === undefined) transform.end(to)
      else for (const delta of batch) transform.push(delta, to)
    } catch (thrown) {
      to.push({ type: 'error', error: asGatewayError(thrown) })
    }
  }

  /** The writer for what the transform lets pass as well. */
  function narrowed(writer: DirectWriter): DirectWriter | undefined {
    const except = passthroughOfBoth(writer.except ?? true, transform.passthrough?.(writer.kind))
    if (except === false) return undefined
    if (direct?.of !== writer || direct.narrowed.except !== (except === true ? undefined : except))
      direct = {
        of: writer,
        narrowed: {
          kind: writer.kind,
          except: except === true ? undefined : except,
          write: writer.write,
          account(text) {
            const transformBatch: Delta[] = []
            push([{ type: writer.kind, text }], transformBatch)
            for (const delta of transformBatch)
              if (delta.type === writer.kind && 'text' in delta) writer.account(delta.text)
              else out.push(delta)
          },
        },
      }
    return direct.narrowed
  }
}

import { asGatewayError, type GatewayError } from './errors.ts'
import { type Delta, isFinal, type TextKind } from './events.ts'
import { passthroughOfBoth, type Transform } from './transform.ts'

/**
 * A stream of batches that are pulled: one batch is what one network read brought, however many items that is.
 * It uses a callback instead of a promise because it runs for every event of every stream.
 */
export interface BatchStream<Batch> {
  /**
   * Requests the next batch. `onBatch` is called once, possibly before `next` returns; it gets `undefined` once the
   * stream is over. A failure is an item of the stream. Call `next` again only after `onBatch` was called. `onBatch`
   * must not throw. Until `onBatch` is called, the stream may write text with `direct`.
   */
  next(onBatch: (batch: Batch | undefined) => void, direct?: DirectWriter): void
  /** Stops the stream and closes what it reads from. Safe to call at any time, more than once. */
  cancel(): void
}

/**
 * Writes text deltas straight to the client and skips the transforms and the encoder. It is offered only while all of
 * these would pass the text on unchanged, which is true for most of a reply. They get the written text afterwards,
 * through `account`, once for dozens of events: with hundreds of streams their code and data are no longer in the
 * processor's caches, and loading them for each event would double its cost. Only pipeline.ts creates one.
 */
export interface DirectWriter {
  kind: TextKind
  /** A piece that matches this pattern must not be written directly. */
  except?: RegExp | undefined
  /**
   * Writes pieces of the open block, each as one event. A piece is the content of a JSON string without its quotes, as
   * `JSON.stringify` writes it. With `areBytes`, each character of a piece is one byte of UTF-8. After 'catch up' the
   * caller must call `account` and deliver its next batch.
   */
  write(pieces: readonly string[], areBytes: boolean): 'go on' | 'catch up'
  /** Called with all text written since the last call, before the batch that follows that text. */
  account(text: string): void
}

/** The error item that every kind of stream can carry. */
interface FailureItem {
  type: 'error'
  error: GatewayError
}

/** The next batch as a promise. Not for the streaming path, where a promise for each batch costs too much. */
export function readBatch<Batch>(stream: BatchStream<Batch>): Promise<Batch | undefined> {
  return new Promise((resolve) => stream.next(resolve))
}

/**
 * A stream that reads its batches with an async function. When the function rejects, the stream ends with that error.
 */
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

/** Sends the deltas of `stream` through `transform`, batch by batch. After the last delta it cancels `stream`. */
export function pipe(stream: BatchStream<Delta[]>, transform: Transform<Delta, Delta>): BatchStream<Delta[]> {
  let over = false
  let waiting: (batch: Delta[] | undefined) => void = () => {}
  let out: Delta[] = []
  let direct: { of: DirectWriter; narrowed: DirectWriter } | undefined
  let mayWriteDirectly = false
  return {
    next(onBatch, writer) {
      waiting = onBatch
      if (over) {
        onBatch(undefined)
        return
      }
      const own = writer && narrowed(writer)
      mayWriteDirectly = own !== undefined
      stream.next(take, own)
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
    // A batch behind text that was written directly may be empty. The receiver has to offer its writer anew for the rest.
    if (last !== undefined || (mayWriteDirectly && !over)) waiting(all)
    else if (over) waiting(undefined)
    else stream.next(take)
  }

  /** An error that the transform throws becomes the last item of the stream. */
  function push(batch: readonly Delta[] | undefined, to: Delta[]): void {
    try {
      if (batch === undefined) transform.end(to)
      else for (const delta of batch) transform.push(delta, to)
    } catch (thrown) {
      to.push({ type: 'error', error: asGatewayError(thrown) })
    }
  }

  /** The writer, limited to the text that this transform passes on unchanged too; `undefined` where there is none. */
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

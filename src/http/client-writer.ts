import type { Clock } from '../core/clock.ts'

export interface ClientWriterOptions {
  clock: Clock
  /** The client reads again. */
  onDrain: () => void
  /** Nothing can be written any more. */
  onGone: () => void
}

/** Writes a reply straight into the client's connection. */
export interface ClientWriter {
  /** What is written before `pull` returns leaves together with the headers. */
  open(controller: ReadableStreamDirectController): void
  isOpen(): boolean
  write(text: string | Uint8Array, now?: number): void
  /** Written with the end of the reply, which `end` is. */
  writeLast(text: string): void
  end(): void
  /** A moment of the monotonic clock. */
  lastWriteAt(): number
  /** Since when something waits here for a client that does not read; `undefined` while it reads. */
  unreadSince(): number | undefined
}

/** A queue and a promise between reply and connection would cost as much as all that is done with an event. */
export function clientWriter({ clock, onDrain, onGone }: ClientWriterOptions): ClientWriter {
  let controller: ReadableStreamDirectController | undefined
  let lastWriteAt = clock.monotonic()
  let unreadSince: number | undefined

  return {
    open(opened) {
      controller = opened
    },
    isOpen: () => controller !== undefined,
    write(text, now = clock.monotonic()) {
      lastWriteAt = now
      const written = controller?.write(text)
      const flushed = controller?.flush()
      // A promise is what a client that does not keep up looks like.
      if (typeof written === 'number' && typeof flushed !== 'object') return
      unreadSince ??= lastWriteAt
      Promise.all([written, flushed]).then(drained, onGone)
    },
    writeLast: (text) => void controller?.write(text),
    end: () => void controller?.end(),
    lastWriteAt: () => lastWriteAt,
    unreadSince: () => unreadSince,
  }

  function drained(): void {
    unreadSince = undefined
    onDrain()
  }
}

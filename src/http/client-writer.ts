import type { Clock } from '../core/clock.ts'

export interface ClientWriterOptions {
  clock: Clock
  /** Called when the client reads again. */
  onDrain: () => void
  /** Called when nothing can be written any more. */
  onGone: () => void
  /** Called with all that is written, and when. */
  onWrite?: ((text: string | Uint8Array, now: number) => void) | undefined
}

/** Writes a response directly to the client's connection. */
export interface ClientWriter {
  /** What is written before `pull` returns is sent together with the headers. */
  open(controller: ReadableStreamDirectController): void
  isOpen(): boolean
  write(text: string | Uint8Array, now?: number): void
  /** Written together with the end of the response, which `end` sends. */
  writeLast(text: string): void
  end(): void
  /** Monotonic time. */
  lastWriteAt(): number
  /** The time since which written data waits for the client to read; `undefined` if none waits. */
  unreadSince(): number | undefined
}

/** A direct source, because a queue and a promise for each write would double the cost of an event. */
export function clientWriter({ clock, onDrain, onGone, onWrite }: ClientWriterOptions): ClientWriter {
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
      onWrite?.(text, now)
      const written = controller?.write(text)
      const flushed = controller?.flush()
      // Bun returns a promise if the client does not keep up.
      if (typeof written === 'number' && typeof flushed !== 'object') return
      unreadSince ??= lastWriteAt
      Promise.all([written, flushed]).then(drained, onGone)
    },
    writeLast(text) {
      onWrite?.(text, clock.monotonic())
      controller?.write(text)
    },
    end: () => void controller?.end(),
    lastWriteAt: () => lastWriteAt,
    unreadSince: () => unreadSince,
  }

  function drained(): void {
    unreadSince = undefined
    onDrain()
  }
}

import type { Clock } from '../core/clock.ts'
import type { ClientWriter } from './client-writer.ts'

export interface KeepAliveOptions {
  client: ClientWriter
  clock: Clock
  /** Longest silence. */
  everyMs: number
  /** Longest time in which the client reads nothing. */
  stallMs: number
  ping: () => void
  onStall: () => void
}

/**
 * Pings while nothing else is sent, and checks whether the client still reads. Returns the function that stops both.
 */
export function keepAlive({ client, clock, everyMs, stallMs, ping, onStall }: KeepAliveOptions): () => void {
  let stopTimer = () => {}
  tick()
  return () => stopTimer()

  // One timer for each stream and not for each write: when it fires, it checks whether anything has been written since.
  function tick(): void {
    const now = clock.monotonic()
    const unreadSince = client.unreadSince()
    if (unreadSince !== undefined && now - unreadSince >= stallMs) {
      onStall()
      return
    }
    // A client that does not read gets no pings, because they would only accumulate.
    if (now - client.lastWriteAt() >= everyMs && unreadSince === undefined) ping()
    const nextMs = everyMs - (clock.monotonic() - client.lastWriteAt())
    stopTimer = clock.after(nextMs > 0 ? nextMs : everyMs, tick)
  }
}

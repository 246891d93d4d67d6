import type { SQL } from 'bun'
import type { Clock } from '../core/clock.ts'

export interface NotificationOptions {
  /** Opens a connection. `onClose` is called when it has ended. */
  connect: (onClose: () => void) => SQL
  /** Sends through another connection: rejects while the server is away. */
  notify: (channel: string, payload: string) => Promise<void>
  clock: Clock
  newId: () => string
}

/** Messages between the gateways of one database. */
export interface Notifications {
  /**
   * Calls `onPayload` with each payload of the channel, and with `undefined` each time listening begins, because
   * earlier payloads are lost. Returns a function that stops listening.
   */
  listen(channel: string, onPayload: (payload: string | undefined) => void): () => void
  /** Call it when the server is away. Nothing is tried until `resume`. */
  pause(): void
  resume(): void
  close(): void
}

/** After two missed heartbeats the connection counts as dead, even if the network reports no error. */
const heartbeatMs = 2_000
const mostMissed = 2
const reconnectMs = 300

/**
 * Listens on a separate connection. The listener sends heartbeats to itself: a quiet channel may have no messages for
 * hours, so a dead network would not be noticed otherwise.
 */
export function createNotifications({ connect, notify, clock, newId }: NotificationOptions): Notifications {
  const handlers = new Map<string, Set<(payload: string | undefined) => void>>()
  const heartbeatChannel = `zai2api_beat_${newId()}`
  let connection: SQL | undefined
  /** Whether the connection is open. It then listens to every channel in `handlers`. */
  let isOpen = false
  let missed = 0
  let stopTimer = () => {}
  let isPaused = false
  let isClosed = false

  return {
    listen(channel, onPayload) {
      const known = handlers.get(channel)
      const listeners = known ?? new Set()
      listeners.add(onPayload)
      if (!known) {
        handlers.set(channel, listeners)
        if (connection && isOpen) subscribe(connection, channel)
        else if (!connection && !isPaused && !isClosed) open()
      } else if (connection && isOpen) onPayload(undefined)
      return () => void listeners.delete(onPayload)
    },
    pause() {
      isPaused = true
      drop()
    },
    resume() {
      if (!isPaused) return
      isPaused = false
      if (!isClosed && handlers.size > 0) open()
    },
    close() {
      isClosed = true
      drop()
    },
  }

  function drop(): void {
    stopTimer()
    const dropped = connection
    // Cleared before the connection is closed, because `onClose` may be called at once.
    connection = undefined
    isOpen = false
    dropped?.close({ timeout: 0 }).catch(() => {})
  }

  function open(): void {
    const opened = connect(() => lost(opened))
    connection = opened
    missed = 0
    stopTimer()
    stopTimer = clock.after(heartbeatMs, heartbeat)
    // A statement opens the connection, because Bun prints to standard error if `listen` cannot connect. A failure is
    // noticed by the heartbeat.
    opened.unsafe('SELECT 1').then(
      () => {
        if (connection !== opened) return
        isOpen = true
        listenOn(opened, heartbeatChannel, () => {
          if (connection === opened) missed = 0
        })
        for (const channel of handlers.keys()) subscribe(opened, channel)
      },
      () => {},
    )
  }

  function subscribe(listener: SQL, channel: string): void {
    const listeners = handlers.get(channel) ?? new Set()
    const dispatch = (payload: string | undefined) => {
      if (connection === listener) for (const onPayload of listeners) onPayload(payload)
    }
    listenOn(listener, channel, dispatch, () => dispatch(undefined))
  }

  /**
   * Listens on a channel. If the server refuses but stays connected, because it is busy or starting, a new connection
   * is opened.
   */
  function listenOn(listener: SQL, channel: string, onPayload: (payload: string) => void, onListen = () => {}): void {
    listener.listen(channel, onPayload, onListen).catch(() => lost(listener))
  }

  /**
   * Drops the connection and opens a new one later. Bun would reconnect by itself, and print each failure to standard
   * error.
   */
  function lost(closed: SQL): void {
    if (connection !== closed) return
    drop()
    stopTimer = clock.after(reconnectMs, open)
  }

  function heartbeat(): void {
    if (missed >= mostMissed) {
      drop()
      open()
      return
    }
    missed++
    notify(heartbeatChannel, '').catch(() => {})
    stopTimer = clock.after(heartbeatMs, heartbeat)
  }
}

import type { SQL } from 'bun'
import type { Clock } from '../core/clock.ts'

export interface NotificationOptions {
  /** `onClose` is called when a connection has ended. */
  connect: (onClose: () => void) => SQL
  /** Sends through another connection: rejects while the server is away. */
  notify: (channel: string, payload: string) => Promise<void>
  clock: Clock
  newId: () => string
}

/** Messages between the gateways of one database. */
export interface Notifications {
  /**
   * Calls `onPayload` with each payload of the channel, and with `undefined` whenever listening has begun: what was sent
   * before is lost. Returns a function that ends it.
   */
  listen(channel: string, onPayload: (payload: string | undefined) => void): () => void
  /** The server is away: nothing is tried until `resume`. */
  pause(): void
  resume(): void
  close(): void
}

/** Two missed heartbeats mean that the connection is dead, whether or not the network says so. */
const heartbeatMs = 2_000
const mostMissed = 2
const reconnectMs = 300

/**
 * Listens on one connection of its own. Nothing arrives for hours where nothing happens, so a silent network would never
 * be noticed: the listener sends itself a heartbeat.
 */
export function createNotifications({ connect, notify, clock, newId }: NotificationOptions): Notifications {
  const handlers = new Map<string, Set<(payload: string | undefined) => void>>()
  const heartbeatChannel = `zai2api_beat_${newId()}`
  let connection: SQL | undefined
  /** The connection is open, and listens to every channel in `handlers`. */
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
    // Set before it is closed, because `onClose` may be called at once.
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
    // A statement first: Bun prints to standard error if `listen` cannot connect. The heartbeat shows a failure.
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

  /** Listens on a channel. A busy or starting server may refuse and stay connected: then a new connection is opened. */
  function listenOn(listener: SQL, channel: string, onPayload: (payload: string) => void, onListen = () => {}): void {
    listener.listen(channel, onPayload, onListen).catch(() => lost(listener))
  }

  /** Opens a new connection later. Bun would listen again by itself, and print to standard error while it cannot. */
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

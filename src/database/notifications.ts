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

/** What the gateways of one database tell each other. */
export interface Notifications {
  /**
   * Calls `heard` with each payload of the channel, and with `undefined` whenever listening has begun: what was sent
   * before is lost. Returns a function that ends it.
   */
  listen(channel: string, heard: (payload: string | undefined) => void): () => void
  /** The server is away: nothing is tried until `resume`. */
  pause(): void
  resume(): void
  close(): void
}

/** Two beats that are not heard mean that the connection is dead, whether or not the network says so. */
const beatMs = 2_000
const mostUnheard = 2
const againMs = 300

/**
 * Listens on one connection of its own. Nothing arrives for hours where nothing happens, so a silent network would never
 * be noticed: the listener sends itself a beat.
 */
export function createNotifications({ connect, notify, clock, newId }: NotificationOptions): Notifications {
  const handlers = new Map<string, Set<(payload: string | undefined) => void>>()
  const beatChannel = `zai2api_beat_${newId()}`
  let connection: SQL | undefined
  /** It listens to all channels there are. */
  let isOpen = false
  let unheard = 0
  let stopBeat = () => {}
  let isPaused = false
  let isClosed = false

  return {
    listen(channel, heard) {
      const known = handlers.get(channel)
      const all = known ?? new Set()
      all.add(heard)
      if (!known) {
        handlers.set(channel, all)
        if (connection && isOpen) subscribe(connection, channel)
        else if (!connection && !isPaused && !isClosed) open()
      } else if (connection && isOpen) heard(undefined)
      return () => void all.delete(heard)
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
    stopBeat()
    const dropped = connection
    // First, because its end may be told at once.
    connection = undefined
    isOpen = false
    dropped?.close({ timeout: 0 }).catch(() => {})
  }

  function open(): void {
    const opened = connect(() => lost(opened))
    connection = opened
    unheard = 0
    stopBeat()
    stopBeat = clock.after(beatMs, beat)
    // Bun would complain on standard error of a server that it cannot listen to. A failure shows in the beat.
    opened.unsafe('SELECT 1').then(
      () => {
        if (connection !== opened) return
        isOpen = true
        opened
          .listen(beatChannel, () => {
            if (connection === opened) unheard = 0
          })
          .catch(() => {})
        for (const channel of handlers.keys()) subscribe(opened, channel)
      },
      () => {},
    )
  }

  function subscribe(asked: SQL, channel: string): void {
    const all = handlers.get(channel) ?? new Set()
    const tell = (payload: string | undefined) => {
      if (connection === asked) for (const heard of all) heard(payload)
    }
    asked.listen(channel, tell, () => tell(undefined)).catch(() => {})
  }

  /** Bun would listen again by itself, and complain on standard error as long as it cannot. */
  function lost(closed: SQL): void {
    if (connection !== closed) return
    drop()
    stopBeat = clock.after(againMs, open)
  }

  function beat(): void {
    if (unheard >= mostUnheard) {
      drop()
      open()
      return
    }
    unheard++
    notify(beatChannel, '').catch(() => {})
    stopBeat = clock.after(beatMs, beat)
  }
}

import type { SQL } from 'bun'
import type { Clock } from '../core/clock.ts'

export interface NotificationOptions {
  connect: () => SQL
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
  close(): Promise<void>
}

/** Two beats that are not heard mean that the connection is dead, whether or not the network says so. */
const beatMs = 2_000
const mostUnheard = 2

/**
 * Listens on one connection of its own. Nothing arrives for hours where nothing happens, so a silent network would never
 * be noticed: the listener sends itself a beat.
 */
export function createNotifications({ connect, notify, clock, newId }: NotificationOptions): Notifications {
  const handlers = new Map<string, Set<(payload: string | undefined) => void>>()
  const beatChannel = `zai2api_beat_${newId()}`
  let connection: SQL | undefined
  let unheard = 0
  let stopBeat = () => {}
  let isClosed = false

  return {
    listen(channel, heard) {
      const known = handlers.get(channel)
      const all = known ?? new Set()
      all.add(heard)
      if (!known) {
        handlers.set(channel, all)
        if (connection) subscribe(connection, channel)
        else open()
      } else if (connection) heard(undefined)
      return () => void all.delete(heard)
    },
    async close() {
      isClosed = true
      stopBeat()
      await connection?.close({ timeout: 0 })
    },
  }

  function open(): void {
    const opened = connect()
    connection = opened
    unheard = 0
    opened
      .listen(beatChannel, () => {
        if (connection === opened) unheard = 0
      })
      .catch(() => {})
    for (const channel of handlers.keys()) subscribe(opened, channel)
    stopBeat()
    stopBeat = clock.after(beatMs, beat)
  }

  /** A failure shows in the beat. */
  function subscribe(asked: SQL, channel: string): void {
    const all = handlers.get(channel) ?? new Set()
    const tell = (payload: string | undefined) => {
      if (connection === asked) for (const heard of all) heard(payload)
    }
    asked.listen(channel, tell, () => tell(undefined)).catch(() => {})
  }

  function beat(): void {
    if (isClosed) return
    if (unheard >= mostUnheard) {
      connection?.close({ timeout: 0 }).catch(() => {})
      open()
      return
    }
    unheard++
    notify(beatChannel, '').catch(() => {})
    stopBeat = clock.after(beatMs, beat)
  }
}

import { singleFlight } from '../../../async/single-flight.ts'
import type { Clock } from '../../../core/clock.ts'
import { type Session, type SessionApi, sessionAnswer, sessionOf } from './session-api.ts'

/**
 * Guests: one that new chats go to, and one more while the chats of the first are deleted. No third is made for that: as
 * long as one deletion runs, the other guest keeps its chats.
 */
export interface GuestChats {
  kind: 'guest'
  current: Guest | undefined
  /** Used before, and current again when the chats of the other one are deleted. */
  spare: Guest | undefined
  mint: (signal: AbortSignal) => Promise<Guest>
}

export interface Guest {
  session: Session
  mintedAt: number
  /** Under way. */
  chats: number
  /** Has chats to delete. */
  used: boolean
  /** No chat may begin meanwhile: the deletion would take it along. */
  cleaning: boolean
}

export interface Guests {
  create(): GuestChats
  /** The guest that new chats go to, made where there is none or it is too old. */
  current(source: GuestChats, signal: AbortSignal): Promise<Guest>
  /** That guest, with one chat more. */
  acquire(source: GuestChats, signal: AbortSignal): Promise<Guest>
  /** The chat is over. */
  release(guest: Guest, source: GuestChats): void
}

export interface GuestsOptions {
  api: SessionApi
  clock: Clock
  /** How long new chats go to one guest. */
  ttlMs: number
}

export function guests({ api, clock, ttlMs }: GuestsOptions): Guests {
  return {
    create() {
      const source: GuestChats = {
        kind: 'guest',
        current: undefined,
        spare: undefined,
        mint: singleFlight(async () => {
          const session = sessionOf('guest', sessionAnswer(await api.auths(undefined)))
          source.current = { session, mintedAt: clock.monotonic(), chats: 0, used: false, cleaning: false }
          return source.current
        }),
      }
      return source
    },
    current,
    async acquire(source, signal) {
      for (;;) {
        const guest = await current(source, signal)
        if (guest.cleaning) continue // its last chat ended meanwhile
        guest.chats++
        guest.used = true
        return guest
      }
    },
    release(guest, source) {
      guest.chats--
      deleteChats(guest, source)
    },
  }

  async function current(source: GuestChats, signal: AbortSignal): Promise<Guest> {
    const { current: last, spare } = source
    if (last !== undefined && isFresh(last)) return last
    // The chats of a guest that is too old are deleted once they are over.
    source.current = undefined
    if (last !== undefined) deleteChats(last, source)
    if (spare !== undefined && !spare.cleaning) {
      source.spare = undefined
      if (isFresh(spare)) {
        source.current = spare
        return spare
      }
    }
    return source.mint(signal)
  }

  function isFresh({ mintedAt }: Guest): boolean {
    return clock.monotonic() - mintedAt < ttlMs
  }

  /** Of a guest that has none under way, in the background; meanwhile chats go to the other one. */
  function deleteChats(guest: Guest, source: GuestChats): void {
    if (guest.chats > 0 || !guest.used || guest.cleaning) return
    if (source.current === guest) {
      if (source.spare?.cleaning) return
      source.current = source.spare
      source.spare = guest
    }
    guest.cleaning = true
    void api.deleteChats(guest.session).then(() => {
      guest.cleaning = false
      guest.used = false
      // Its chats were kept while this deletion ran.
      if (source.current !== undefined) deleteChats(source.current, source)
    })
  }
}

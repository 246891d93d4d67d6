import { singleFlight } from '../../../async/single-flight.ts'
import type { Clock } from '../../../core/clock.ts'
import { type AccountApi, accountAnswer, type WebAccount, webAccountOf } from './account-api.ts'

/**
 * Guest accounts: one that new chats go to, and a second one while the chats of the first are being deleted. There is no
 * third: as long as one deletion runs, the chats of the other guest are not deleted.
 */
export interface GuestRotation {
  kind: 'guest'
  current: Guest | undefined
  /** A guest whose chats have been deleted. It becomes current again while those of the other one are deleted. */
  spare: Guest | undefined
  mint: (signal: AbortSignal) => Promise<Guest>
}

export interface Guest {
  account: WebAccount
  mintedAt: number
  /** Chats in progress. */
  chats: number
  /** It has chats to delete. */
  used: boolean
  /** Its chats are being deleted. No chat may begin meanwhile, because it would be deleted, too. */
  cleaning: boolean
}

export interface Guests {
  create(): GuestRotation
  /** The guest that new chats go to. A new one is created if there is none or it is too old. */
  current(source: GuestRotation, signal: AbortSignal): Promise<Guest>
  /** That guest, with its count of chats raised by one. */
  acquire(source: GuestRotation, signal: AbortSignal): Promise<Guest>
  /** Lowers the count again when a chat has ended. */
  release(guest: Guest, source: GuestRotation): void
}

export interface GuestsOptions {
  api: AccountApi
  clock: Clock
  /** Age at which a guest gets no new chats. */
  ttlMs: number
}

export function guests({ api, clock, ttlMs }: GuestsOptions): Guests {
  return {
    create() {
      const source: GuestRotation = {
        kind: 'guest',
        current: undefined,
        spare: undefined,
        mint: singleFlight(async () => {
          const account = webAccountOf('guest', accountAnswer(await api.auths(undefined)))
          source.current = { account, mintedAt: clock.monotonic(), chats: 0, used: false, cleaning: false }
          return source.current
        }),
      }
      return source
    },
    current,
    async acquire(source, signal) {
      for (;;) {
        const guest = await current(source, signal)
        if (guest.cleaning) continue // its last chat has ended meanwhile
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

  async function current(source: GuestRotation, signal: AbortSignal): Promise<Guest> {
    const { current: last, spare } = source
    if (last !== undefined && isFresh(last)) return last
    // The chats of a guest that is too old are deleted once they have ended.
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

  /** Deletes the chats of a guest without a chat in progress, in the background. New chats go to the other guest. */
  function deleteChats(guest: Guest, source: GuestRotation): void {
    if (guest.chats > 0 || !guest.used || guest.cleaning) return
    if (source.current === guest) {
      if (source.spare?.cleaning) return
      source.current = source.spare
      source.spare = guest
    }
    guest.cleaning = true
    void api.deleteChats(guest.account).then(() => {
      guest.cleaning = false
      guest.used = false
      // The other guest's chats could not be deleted while this deletion ran.
      if (source.current !== undefined) deleteChats(source.current, source)
    })
  }
}

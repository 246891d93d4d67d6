import type { QueuePlace } from '../../../core/call-observer.ts'
import type { Clock } from '../../../core/clock.ts'
import type { Pool } from '../../../core/credential-pool.ts'
import { asGatewayError, cancelled, type GatewayError } from '../../../core/errors.ts'
import type { AccountCredential, AccountOptions } from './account-credential.ts'
import type { Guest, GuestChats, Guests } from './guest-chats.ts'
import type { Session } from './session-api.ts'
import { accountLease, type CredentialSource, guestLease, type SessionLease } from './session-lease.ts'

export interface Wanted {
  /** The upstream's name of the model. */
  model: string
  /** Id of the client's key. */
  caller: string
  /** Calls that somebody waits for are served first. */
  isBackground?: boolean | undefined
  signal: AbortSignal
  /** Whether a guest may serve the call: guests cannot upload images, for example. */
  guests: boolean
  annotate: (note: string) => void
  onWait?: ((place: () => QueuePlace) => void) | undefined
}

export interface SessionQueue {
  /** A session for a chat, as soon as one has room. Errors: those of `Sessions.peek` and `Ticket.lease`. */
  acquire(): Promise<SessionLease>
}

export interface SessionQueueOptions {
  pool: Pool<CredentialSource>
  clock: Clock
  log: AccountOptions['log']
  guests: Guests
  /** `undefined` if its token is invalid. */
  sessionOfAccount: (account: AccountCredential, signal: AbortSignal) => Promise<Session | undefined>
  /** A guest, with its count of chats raised by one. */
  acquireGuest: (source: GuestChats, signal: AbortSignal) => Promise<Guest>
  nothingUsable: () => GatewayError
}

/** One call in the queue for sessions. */
export function sessionQueue(wanted: Wanted, options: SessionQueueOptions): SessionQueue {
  const { pool, clock, guests, sessionOfAccount, acquireGuest, nothingUsable } = options
  const { signal } = wanted
  // Sources whose session could not be checked. The next call may try them again.
  const failed = new Set<CredentialSource>()
  // The error of the last of them, which is better advice than that no source is left.
  let failure: GatewayError | undefined
  const ticket = pool.ticket({
    ...wanted,
    accepts: (source) => !failed.has(source) && (wanted.guests || source.kind !== 'guest'),
    noneAccepts: nothingUsable,
  })

  return {
    async acquire() {
      for (;;) {
        const lease = await ticket.lease().catch((thrown: unknown) => {
          throw signal.aborted ? thrown : (failure ?? thrown)
        })
        const source = lease.credential
        try {
          if (source.kind === 'guest') return guestLease(await acquireGuest(source, signal), source, lease, guests)
          const session = await sessionOfAccount(source, signal)
          if (session !== undefined) return accountLease(session, source, lease, options)
          lease.reportFailure('invalid-credential', nothingUsable(), source.checkAt - clock.monotonic())
        } catch (thrown) {
          lease.release()
          if (signal.aborted) throw cancelled()
          failed.add(source)
          failure = asGatewayError(thrown)
        }
      }
    },
  }
}

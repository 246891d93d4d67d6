import type { QueuePlace } from '../../../core/call-observer.ts'
import type { Clock } from '../../../core/clock.ts'
import type { Pool } from '../../../core/credential-pool.ts'
import { asGatewayError, cancelled, type GatewayError } from '../../../core/errors.ts'
import type { WebAccount } from './account-api.ts'
import { type AccountLease, type CredentialSource, guestLease, tokenLease } from './account-lease.ts'
import type { Guest, GuestRotation, Guests } from './guest-rotation.ts'
import type { TokenCredential, TokenOptions } from './token-credential.ts'

export interface AccountWanted {
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

export interface AccountQueue {
  /** An account for a chat, as soon as one has room. Errors: those of `WebAccounts.peek` and `Ticket.lease`. */
  acquire(): Promise<AccountLease>
}

export interface AccountQueueOptions {
  pool: Pool<CredentialSource>
  clock: Clock
  log: TokenOptions['log']
  guests: Guests
  /** `undefined` if its token is invalid. */
  accountOfToken: (account: TokenCredential, signal: AbortSignal) => Promise<WebAccount | undefined>
  /** A guest, with its count of chats raised by one. */
  acquireGuest: (source: GuestRotation, signal: AbortSignal) => Promise<Guest>
  nothingUsable: () => GatewayError
}

/** One call in the queue for accounts. */
export function accountQueue(wanted: AccountWanted, options: AccountQueueOptions): AccountQueue {
  const { pool, clock, guests, accountOfToken, acquireGuest, nothingUsable } = options
  const { signal } = wanted
  // Sources whose account could not be checked. The next call may try them again.
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
          const account = await accountOfToken(source, signal)
          if (account !== undefined) return tokenLease(account, source, lease, options)
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

import type { Clock } from '../../../core/clock.ts'
import type { Lease } from '../../../core/credential-pool.ts'
import type { GatewayError } from '../../../core/errors.ts'
import { type AccountCredential, type AccountOptions, checkedForMs, markInvalid } from './account-credential.ts'
import type { Guest, GuestChats, Guests } from './guest-chats.ts'
import type { Session } from './session-api.ts'

/** What the pool lends: a source of sessions. */
export type CredentialSource = AccountCredential | GuestChats

/** A session for one chat. Returned by `reportFailure` or `release`, whichever comes first. */
export interface SessionLease {
  id: string
  fingerprint: string | undefined
  session: Session
  /** The site has accepted a call of this session. */
  reportSuccess(): void
  reportFailure(
    refusal: 'concurrency-limited' | 'account-concurrency-limited' | 'invalid-credential',
    error: GatewayError,
  ): void
  /** Call it when the chat has ended. After the last chat of a guest its chats are deleted, which frees its slots. */
  release(): void
}

export function accountLease(
  session: Session,
  account: AccountCredential,
  lease: Lease<CredentialSource>,
  { clock, log }: { clock: Clock; log: AccountOptions['log'] },
): SessionLease {
  const { id, fingerprint, reportSuccess, release } = lease
  return {
    id,
    fingerprint,
    session,
    reportSuccess,
    release,
    reportFailure(refusal, error) {
      // If the token was renewed meanwhile, the refusal was about the old one.
      if (refusal === 'invalid-credential' && account.session !== session) return release()
      if (refusal === 'invalid-credential') {
        account.checkAt = clock.monotonic() + checkedForMs
        markInvalid(account, 'was refused', log)
      }
      lease.reportFailure(refusal, error, refusal === 'invalid-credential' ? checkedForMs : undefined)
    },
  }
}

export function guestLease(
  guest: Guest,
  source: GuestChats,
  lease: Lease<CredentialSource>,
  guests: Guests,
): SessionLease {
  // The chat is in progress.
  let isOpen = true
  const closeChat = () => {
    if (!isOpen) return
    isOpen = false
    guests.release(guest, source)
  }
  return {
    id: lease.id,
    fingerprint: undefined,
    session: guest.session,
    reportSuccess: lease.reportSuccess,
    release() {
      closeChat()
      lease.release()
    },
    reportFailure(refusal, error) {
      closeChat()
      if (refusal !== 'invalid-credential') {
        lease.reportFailure(refusal, error)
        return
      }
      // A new guest can be created at any time.
      if (source.current === guest) source.current = undefined
      if (source.spare === guest) source.spare = undefined
      lease.release()
    },
  }
}

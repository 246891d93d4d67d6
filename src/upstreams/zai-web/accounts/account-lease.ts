import type { Clock } from '../../../core/clock.ts'
import type { Lease } from '../../../core/credential-pool.ts'
import type { GatewayError } from '../../../core/errors.ts'
import type { WebAccount } from './account-api.ts'
import type { Guest, GuestRotation, Guests } from './guest-rotation.ts'
import { checkedForMs, markInvalid, type TokenCredential, type TokenOptions } from './token-credential.ts'

/** What the pool lends: a source of accounts. */
export type CredentialSource = TokenCredential | GuestRotation

/** An account for one chat. Returned by `reportFailure` or `release`, whichever comes first. */
export interface AccountLease {
  id: string
  fingerprint: string | undefined
  account: WebAccount
  /** The site has accepted a call of this account. */
  reportSuccess(): void
  reportFailure(
    refusal: 'concurrency-limited' | 'account-concurrency-limited' | 'invalid-credential',
    error: GatewayError,
  ): void
  /** Call it when the chat has ended. After the last chat of a guest its chats are deleted, which frees its slots. */
  release(): void
}

export function tokenLease(
  account: WebAccount,
  credential: TokenCredential,
  lease: Lease<CredentialSource>,
  { clock, log }: { clock: Clock; log: TokenOptions['log'] },
): AccountLease {
  const { id, fingerprint, reportSuccess, release } = lease
  return {
    id,
    fingerprint,
    account,
    reportSuccess,
    release,
    reportFailure(refusal, error) {
      // If the token was renewed meanwhile, the refusal was about the old one.
      if (refusal === 'invalid-credential' && credential.account !== account) return release()
      if (refusal === 'invalid-credential') {
        credential.checkAt = clock.monotonic() + checkedForMs
        markInvalid(credential, 'was refused', log)
      }
      lease.reportFailure(refusal, error, refusal === 'invalid-credential' ? checkedForMs : undefined)
    },
  }
}

export function guestLease(
  guest: Guest,
  source: GuestRotation,
  lease: Lease<CredentialSource>,
  guests: Guests,
): AccountLease {
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
    account: guest.account,
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

import { singleFlight } from '../../../async/single-flight.ts'
import type { Clock } from '../../../core/clock.ts'
import {
  type AccountApi,
  accountAnswer,
  isGuestInstead,
  isRefusal,
  tokenClaims,
  type WebAccount,
  webAccountOf,
} from './account-api.ts'

/** How long the site's answer about a token is trusted. */
export const checkedForMs = 30 * 60_000
/** The same after a check that failed without an answer about the token. */
const checkAgainMs = 60_000

/** One configured token. */
export interface TokenCredential {
  kind: 'user' | 'backup'
  /** Its name in the log. */
  name: string
  /** Its token is the latest that the site has issued in place of the configured one. */
  account: WebAccount
  isInvalid: boolean
  /** Monotonic time. */
  checkAt: number
  check: (signal: AbortSignal) => Promise<void>
}

export interface TokenOptions {
  api: AccountApi
  clock: Clock
  log: (level: 'info' | 'warn', message: string) => void
}

export function tokenCredential(kind: TokenCredential['kind'], token: string, options: TokenOptions): TokenCredential {
  const credential: TokenCredential = {
    kind,
    name: '',
    account: { kind, token, userId: tokenClaims(token).id ?? '', userName: 'User' },
    isInvalid: false,
    checkAt: Number.NEGATIVE_INFINITY,
    check: singleFlight(() => check(credential, options)),
  }
  return credential
}

/** Rejects if the site cannot say whose token it is. */
export async function isUsable(credential: TokenCredential, clock: Clock, signal: AbortSignal): Promise<boolean> {
  if (clock.monotonic() >= credential.checkAt) await credential.check(signal)
  return !credential.isInvalid
}

/** Asks the site whether the token still belongs to its account, and stores the token that the site returns. */
async function check(credential: TokenCredential, { api, clock, log }: TokenOptions): Promise<void> {
  const { kind, token, userId, userName } = credential.account
  try {
    const answer = await api.auths(token)
    credential.checkAt = clock.monotonic() + checkedForMs
    if (isRefusal(answer)) {
      markInvalid(credential, 'was refused', log)
      return
    }
    const known = accountAnswer(answer)
    if (isGuestInstead(known, token)) {
      markInvalid(credential, 'is not accepted any more: the site answers as to a guest', log)
      return
    }
    credential.isInvalid = false
    const next = webAccountOf(kind, known)
    if (next.token !== token || next.userId !== userId || next.userName !== userName) credential.account = next
  } catch (thrown) {
    // The check failed without an answer about the token. If its account is known, the token may still work.
    credential.checkAt = userId === '' ? Number.NEGATIVE_INFINITY : clock.monotonic() + checkAgainMs
    if (userId === '') throw thrown
  }
}

export function markInvalid(credential: TokenCredential, what: string, log: TokenOptions['log']): void {
  if (!credential.isInvalid) log('warn', `${credential.name} ${what}. Copy a fresh one from the browser.`)
  credential.isInvalid = true
}

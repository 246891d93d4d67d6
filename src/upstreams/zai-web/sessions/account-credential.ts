import { singleFlight } from '../../../async/single-flight.ts'
import type { Clock } from '../../../core/clock.ts'
import {
  isGuestInstead,
  isRefusal,
  type Session,
  type SessionApi,
  sessionAnswer,
  sessionOf,
  tokenClaims,
} from './session-api.ts'

/** How long the site's answer about a token is trusted. */
export const checkedForMs = 30 * 60_000
/** The same after a check that failed without an answer about the token. */
const checkAgainMs = 60_000

/** One configured token. */
export interface AccountCredential {
  kind: 'user' | 'backup'
  /** Its name in the log. */
  name: string
  /** Its token is the latest that the site has issued in place of the configured one. */
  session: Session
  isInvalid: boolean
  /** Monotonic time. */
  checkAt: number
  check: (signal: AbortSignal) => Promise<void>
}

export interface AccountOptions {
  api: SessionApi
  clock: Clock
  log: (level: 'info' | 'warn', message: string) => void
}

export function accountCredential(
  kind: AccountCredential['kind'],
  token: string,
  options: AccountOptions,
): AccountCredential {
  const account: AccountCredential = {
    kind,
    name: '',
    session: { kind, token, userId: tokenClaims(token).id ?? '', userName: 'User' },
    isInvalid: false,
    checkAt: Number.NEGATIVE_INFINITY,
    check: singleFlight(() => check(account, options)),
  }
  return account
}

/** Rejects if the site cannot say whose token it is. */
export async function isUsable(account: AccountCredential, clock: Clock, signal: AbortSignal): Promise<boolean> {
  if (clock.monotonic() >= account.checkAt) await account.check(signal)
  return !account.isInvalid
}

/** Asks the site whether the token still belongs to its account, and stores the token that the site returns. */
async function check(account: AccountCredential, { api, clock, log }: AccountOptions): Promise<void> {
  const { kind, token, userId, userName } = account.session
  try {
    const answer = await api.auths(token)
    account.checkAt = clock.monotonic() + checkedForMs
    if (isRefusal(answer)) {
      markInvalid(account, 'was refused', log)
      return
    }
    const known = sessionAnswer(answer)
    if (isGuestInstead(known, token)) {
      markInvalid(account, 'is not accepted any more: the site answers as to a guest', log)
      return
    }
    account.isInvalid = false
    const next = sessionOf(kind, known)
    if (next.token !== token || next.userId !== userId || next.userName !== userName) account.session = next
  } catch (thrown) {
    // The check failed without an answer about the token. If its account is known, the token may still work.
    account.checkAt = userId === '' ? Number.NEGATIVE_INFINITY : clock.monotonic() + checkAgainMs
    if (userId === '') throw thrown
  }
}

export function markInvalid(account: AccountCredential, what: string, log: AccountOptions['log']): void {
  if (!account.isInvalid) log('warn', `${account.name} ${what}. Copy a fresh one from the browser.`)
  account.isInvalid = true
}

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

/** How long the site's answer about a token counts. */
export const checkedForMs = 30 * 60_000
/** When the site could not say. */
const checkAgainMs = 60_000

/** One configured token. */
export interface AccountCredential {
  kind: 'user' | 'backup'
  /** How the log calls it. */
  name: string
  /** Its token is the newest the site has handed out for the configured one. */
  session: Session
  isInvalid: boolean
  /** On the clock for durations. */
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

/** Rejects where the site cannot say whose the token is. */
export async function isUsable(account: AccountCredential, clock: Clock, signal: AbortSignal): Promise<boolean> {
  if (clock.monotonic() >= account.checkAt) await account.check(signal)
  return !account.isInvalid
}

/** Asks whether the token still is who it was, and takes over the token that comes back. */
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
    // The site could not say. The token may work all the same, as long as it is known whose it is.
    account.checkAt = userId === '' ? Number.NEGATIVE_INFINITY : clock.monotonic() + checkAgainMs
    if (userId === '') throw thrown
  }
}

export function markInvalid(account: AccountCredential, what: string, log: AccountOptions['log']): void {
  if (!account.isInvalid) log('warn', `${account.name} ${what}. Copy a fresh one from the browser.`)
  account.isInvalid = true
}

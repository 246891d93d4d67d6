import type { Clock } from '../../../core/clock.ts'
import type { Member, Pool } from '../../../core/credential-pool.ts'
import { cancelled, GatewayError } from '../../../core/errors.ts'
import { fingerprintOf } from '../../../core/fingerprint.ts'
import type { WebClient } from '../client.ts'
import type { FrontEndVersion } from '../front-end-version.ts'
import { tokenAdvice } from '../token-advice.ts'
import { accountApi, type WebAccount } from './account-api.ts'
import type { CredentialSource } from './account-lease.ts'
import { type AccountQueue, type AccountWanted, accountQueue } from './account-queue.ts'
import { type Guest, type GuestRotation, guests as guestsOf } from './guest-rotation.ts'
import { isUsable, type TokenCredential, tokenCredential } from './token-credential.ts'

export interface WebAccounts {
  /** Whether the user has configured a token, valid or not. */
  hasTokens: boolean
  /** An account for small requests such as the list of models. Rejects with `upstream-auth` if there is none. */
  peek(signal: AbortSignal): Promise<WebAccount>
  /** Asks the site whether this credential works. Errors: `upstream-auth`, and those of any call. */
  test(credential: string, signal: AbortSignal): Promise<void>
  queueForAccount(wanted: AccountWanted): AccountQueue
}

export interface WebAccountsOptions {
  client: WebClient
  clock: Clock
  version: FrontEndVersion
  pool: Pool<CredentialSource>
  tokens: readonly string[]
  backupToken: string | undefined
  anonymous: boolean
  guestTtlMs: number
  log: (level: 'info' | 'warn', message: string) => void
}

/** Chooses accounts: the user's tokens in turn, then a guest, then the backup token. */
export function webAccounts(options: WebAccountsOptions): WebAccounts {
  const { client, clock, version, pool, anonymous, guestTtlMs, log } = options
  const api = accountApi(client, version)
  const guests = guestsOf({ api, clock, ttlMs: guestTtlMs })
  const tokenSource = (kind: TokenCredential['kind'], token: string) =>
    tokenCredential(kind, token, { api, clock, log })
  const sources = pool.setMembers([
    ...options.tokens.map((token, index) =>
      member(0, { id: `token ${index + 1}`, setting: 'ZAI_TOKEN' }, token, () => tokenSource('user', token)),
    ),
    ...(anonymous ? [member(1, { id: 'guest', setting: 'ANONYMOUS_MODE' }, '', guests.create)] : []),
    ...(options.backupToken === undefined ? [] : [backupMember(options.backupToken)]),
  ])
  const tokens = sources.filter((source) => source.kind !== 'guest')
  const users = tokens.filter(({ kind }) => kind === 'user')
  const backup = tokens.find(({ kind }) => kind === 'backup')
  const guestSource = sources.find((source) => source.kind === 'guest')
  for (const known of tokens) {
    known.name = known === backup ? 'The backup token' : `Token ${users.indexOf(known) + 1} of ZAI_TOKEN`
    checkAtOnce(known) // it may work again
  }
  // The index of the user token that `peek` uses next.
  let nextUser = 0
  // It has been logged that no user token is accepted. Reset when one is accepted.
  let warnedOfGuests = false

  return {
    hasTokens: tokens.length > 0,
    peek,
    async test(credential, signal) {
      const source = pool.credentialOf(credential)
      if (source === undefined) throw nothingUsable()
      if (source.kind === 'guest') {
        await source.mint(signal)
        return
      }
      source.checkAt = Number.NEGATIVE_INFINITY
      if (!(await isUsable(source, clock, signal))) throw notAccepted(source)
    },
    queueForAccount: (wanted) =>
      accountQueue(wanted, { pool, clock, log, guests, accountOfToken, acquireGuest, nothingUsable }),
  }

  function member(
    rank: number,
    name: { id: string; setting: string },
    token: string,
    create: () => CredentialSource,
  ): Member<CredentialSource> {
    const fingerprint = token === '' ? undefined : fingerprintOf(token)
    return { ...name, rank, secret: `${client.origin} ${rank} ${token}`, fingerprint, create, tryNow: checkAtOnce }
  }

  function backupMember(token: string): Member<CredentialSource> {
    return member(2, { id: 'backup token', setting: 'BACKUP_TOKEN' }, token, () => tokenSource('backup', token))
  }

  async function accountOfToken(known: TokenCredential, signal: AbortSignal): Promise<WebAccount | undefined> {
    if (known.kind === 'user') warnedOfGuests = false
    return (await isUsable(known, clock, signal)) ? known.account : undefined
  }

  function acquireGuest(source: GuestRotation, signal: AbortSignal): Promise<Guest> {
    warnOfGuests()
    return guests.acquire(source, signal)
  }

  async function peek(signal: AbortSignal): Promise<WebAccount> {
    const user = await peekUser(signal)
    if (user !== undefined) return user
    let failure: unknown
    if (guestSource !== undefined) {
      warnOfGuests()
      try {
        return (await guests.current(guestSource, signal)).account
      } catch (thrown) {
        failure = thrown
      }
    }
    if (signal.aborted) throw cancelled()
    if (backup !== undefined && (await isUsable(backup, clock, signal))) return backup.account
    throw failure ?? nothingUsable()
  }

  async function peekUser(signal: AbortSignal): Promise<WebAccount | undefined> {
    for (let tries = 0; tries < users.length; tries++) {
      const user = users[nextUser++ % users.length]
      if (user === undefined || !(await isUsable(user, clock, signal))) continue
      warnedOfGuests = false
      return user.account
    }
    return undefined
  }

  function warnOfGuests(): void {
    if (warnedOfGuests || users.length === 0 || !users.every(({ isInvalid }) => isInvalid)) return
    warnedOfGuests = true
    log('warn', 'No token of ZAI_TOKEN is accepted; chatting as a guest.')
  }

  function nothingUsable(): GatewayError {
    const message =
      tokens.length === 0
        ? 'The gateway has no account of chat.z.ai: set ZAI_TOKEN to a token from chat.z.ai, or allow guests with ANONYMOUS_MODE=true.'
        : `Z.AI accepts none of the tokens that this gateway has. ${tokenAdvice}`
    return new GatewayError('upstream-auth', message, { code: 'upstream_auth_failed' })
  }
}

/** Has an account that was rejected checked again before its next use. */
function checkAtOnce(source: CredentialSource): void {
  if (source.kind !== 'guest' && source.isInvalid) source.checkAt = Number.NEGATIVE_INFINITY
}

function notAccepted({ name }: TokenCredential): GatewayError {
  return new GatewayError('upstream-auth', `${name} is not accepted: copy a fresh one from chat.z.ai.`, {
    code: 'upstream_auth_failed',
  })
}

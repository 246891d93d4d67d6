import type { Clock } from '../../../core/clock.ts'
import type { Member, Pool } from '../../../core/credential-pool.ts'
import { cancelled, GatewayError } from '../../../core/errors.ts'
import { fingerprintOf } from '../../../core/fingerprint.ts'
import type { WebClient } from '../client.ts'
import type { FrontEndVersion } from '../front-end-version.ts'
import { type AccountCredential, accountCredential, isUsable } from './account-credential.ts'
import { type Guest, type GuestChats, guests as guestsOf } from './guest-chats.ts'
import { type Session, sessionApi } from './session-api.ts'
import type { CredentialSource } from './session-lease.ts'
import { type SessionQueue, sessionQueue, type Wanted } from './session-queue.ts'

export interface Sessions {
  /** Whether the user has configured a token, valid or not. */
  hasAccounts: boolean
  /** A session for small requests such as the list of models. Rejects with `upstream-auth` if there is none. */
  peek(signal: AbortSignal): Promise<Session>
  /** Asks the site for a session of this credential. Errors: `upstream-auth`, and those of any call. */
  test(credential: string, signal: AbortSignal): Promise<void>
  queueForSession(wanted: Wanted): SessionQueue
}

export interface SessionOptions {
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

/** Chooses sessions: the user's tokens in turn, then a guest, then the backup token. */
export function sessions(options: SessionOptions): Sessions {
  const { client, clock, version, pool, anonymous, guestTtlMs, log } = options
  const api = sessionApi(client, version)
  const guests = guestsOf({ api, clock, ttlMs: guestTtlMs })
  const account = (kind: AccountCredential['kind'], token: string) =>
    accountCredential(kind, token, { api, clock, log })
  const sources = pool.setMembers([
    ...options.tokens.map((token, index) =>
      member(0, { id: `token ${index + 1}`, setting: 'ZAI_TOKEN' }, token, () => account('user', token)),
    ),
    ...(anonymous ? [member(1, { id: 'guest', setting: 'ANONYMOUS_MODE' }, '', guests.create)] : []),
    ...(options.backupToken === undefined ? [] : [backupMember(options.backupToken)]),
  ])
  const accounts = sources.filter((source) => source.kind !== 'guest')
  const users = accounts.filter(({ kind }) => kind === 'user')
  const backup = accounts.find(({ kind }) => kind === 'backup')
  const guestSource = sources.find((source) => source.kind === 'guest')
  for (const known of accounts) {
    known.name = known === backup ? 'The backup token' : `Token ${users.indexOf(known) + 1} of ZAI_TOKEN`
    checkAtOnce(known) // it may work again
  }
  // The index of the user token that `peek` uses next.
  let nextUser = 0
  // It has been logged that no user token is accepted. Reset when one is accepted.
  let warnedOfGuests = false

  return {
    hasAccounts: accounts.length > 0,
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
    queueForSession: (wanted) =>
      sessionQueue(wanted, { pool, clock, log, guests, sessionOfAccount, acquireGuest, nothingUsable }),
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
    return member(2, { id: 'backup token', setting: 'BACKUP_TOKEN' }, token, () => account('backup', token))
  }

  async function sessionOfAccount(known: AccountCredential, signal: AbortSignal): Promise<Session | undefined> {
    if (known.kind === 'user') warnedOfGuests = false
    return (await isUsable(known, clock, signal)) ? known.session : undefined
  }

  function acquireGuest(source: GuestChats, signal: AbortSignal): Promise<Guest> {
    warnOfGuests()
    return guests.acquire(source, signal)
  }

  async function peek(signal: AbortSignal): Promise<Session> {
    const user = await peekUser(signal)
    if (user !== undefined) return user
    let failure: unknown
    if (guestSource !== undefined) {
      warnOfGuests()
      try {
        return (await guests.current(guestSource, signal)).session
      } catch (thrown) {
        failure = thrown
      }
    }
    if (signal.aborted) throw cancelled()
    if (backup !== undefined && (await isUsable(backup, clock, signal))) return backup.session
    throw failure ?? nothingUsable()
  }

  async function peekUser(signal: AbortSignal): Promise<Session | undefined> {
    for (let tries = 0; tries < users.length; tries++) {
      const user = users[nextUser++ % users.length]
      if (user === undefined || !(await isUsable(user, clock, signal))) continue
      warnedOfGuests = false
      return user.session
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
      accounts.length === 0
        ? 'The gateway has no Z.AI session: set ZAI_TOKEN to a token from chat.z.ai, or allow guests with ANONYMOUS_MODE=true.'
        : 'Z.AI accepts none of the tokens this gateway has: put a fresh one from chat.z.ai into ZAI_TOKEN.'
    return new GatewayError('upstream-auth', message, { code: 'upstream_auth_failed' })
  }
}

/** Has an account that was rejected checked again before its next use. */
function checkAtOnce(source: CredentialSource): void {
  if (source.kind !== 'guest' && source.isInvalid) source.checkAt = Number.NEGATIVE_INFINITY
}

function notAccepted({ name }: AccountCredential): GatewayError {
  return new GatewayError('upstream-auth', `${name} is not accepted: copy a fresh one from chat.z.ai.`, {
    code: 'upstream_auth_failed',
  })
}

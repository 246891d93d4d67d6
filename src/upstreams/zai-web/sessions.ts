import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { singleFlight } from '../../async/single-flight.ts'
import type { Clock } from '../../core/clock.ts'
import type { Lease, Member, Pool } from '../../core/credential-pool.ts'
import { asGatewayError, cancelled, GatewayError } from '../../core/errors.ts'
import { parseJson } from '../../core/json.ts'
import type { WebClient, WebResponse } from './client.ts'
import { bodyError } from './errors.ts'
import type { FrontEndVersion } from './front-end-version.ts'

/** How long the site's word about a user token counts. */
const checkedForMs = 30 * 60_000
/** When the site could not say. */
const checkAgainMs = 60_000
const cleanupTimeoutMs = 5_000

/** Whose name a call goes under. */
export interface Session {
  kind: 'user' | 'guest' | 'backup'
  token: string
  userId: string
  userName: string
}

export interface Wanted {
  /** Its upstream name. */
  model: string
  /** Id of the client's key. */
  caller: string
  signal: AbortSignal
  /** Guests may not do everything: upload an image, for one. */
  guests: boolean
  annotate: (note: string) => void
}

export interface Sessions {
  /** Whether any token of the user's own is set, dead or alive. */
  hasAccounts: boolean
  /** A session to ask small things with. Rejects with `upstream-auth` when there is none. */
  peek(signal: AbortSignal): Promise<Session>
  /** The place of one call in the line for sessions. */
  queueForSession(wanted: Wanted): SessionQueue
}

export interface SessionQueue {
  /** A session for a chat, once there is room under it. Rejects as `peek` and `Turn.lease` do. */
  acquire(): Promise<SessionLease>
}

/** A session with room for one chat. Ends with `reportFailure` or `release`, whichever comes first. */
export interface SessionLease {
  id: string
  session: Session
  /** The site answers. */
  reportSuccess(): void
  reportFailure(
    refusal: 'concurrency-limited' | 'account-concurrency-limited' | 'invalid-credential',
    error: GatewayError,
  ): void
  /** The chat is over. When the last one leaves a guest, its chats are deleted, which frees the guest's slots. */
  release(): void
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

/** What the pool lends: where sessions come from. */
export type CredentialSource = AccountCredential | GuestChats

/** One configured token. */
interface AccountCredential {
  kind: 'user' | 'backup'
  /** How the log calls it. */
  name: string
  /** Its token is the newest the site has handed out for the configured one. */
  session: Session
  isInvalid: boolean
  /** Epoch milliseconds. */
  checkAt: number
  check: (signal: AbortSignal) => Promise<void>
}

/**
 * Guests: one that new chats go to, and one more while the chats of the first are deleted. No third is made for that: as
 * long as one deletion runs, the other guest keeps its chats.
 */
interface GuestChats {
  kind: 'guest'
  current: Guest | undefined
  /** Used before, and current again when the chats of the other one are deleted. */
  spare: Guest | undefined
  mint: (signal: AbortSignal) => Promise<Guest>
}

interface Guest {
  session: Session
  mintedAt: number
  /** Under way. */
  chats: number
  /** Has chats to delete. */
  used: boolean
  /** No chat may begin meanwhile: the deletion would take it along. */
  cleaning: boolean
}

/**
 * Chooses tokens: the user's own in turn, then a guest, then the backup token.
 * Source of the rules: `GET /api/v1/auths/` mints without a token, and rolls or refuses with one.
 */
export function sessions(options: SessionOptions): Sessions {
  const { client, clock, version, pool, anonymous, guestTtlMs, log } = options
  const sources = pool.setMembers([
    ...options.tokens.map((token, source) => member(0, `token ${source + 1}`, token, () => account('user', token))),
    ...(anonymous ? [member(1, 'guest', '', guests)] : []),
    ...(options.backupToken === undefined ? [] : [backupMember(options.backupToken)]),
  ])
  const accounts = sources.filter((source) => source.kind !== 'guest')
  const users = accounts.filter(({ kind }) => kind === 'user')
  const backup = accounts.find(({ kind }) => kind === 'backup')
  const guest = sources.find((source) => source.kind === 'guest')
  for (const known of accounts) {
    known.name = known === backup ? 'The backup token' : `Token ${users.indexOf(known) + 1} of ZAI_TOKEN`
    if (known.isInvalid) known.checkAt = Number.NEGATIVE_INFINITY // it may have been mended since
  }
  let turn = 0
  let warnedOfGuests = false

  return { hasAccounts: accounts.length > 0, peek, queueForSession }

  function member(rank: number, id: string, token: string, create: () => CredentialSource): Member<CredentialSource> {
    return { id, rank, secret: `${client.origin} ${rank} ${token}`, create }
  }

  function backupMember(token: string): Member<CredentialSource> {
    return member(2, 'backup token', token, () => account('backup', token))
  }

  function queueForSession({ model, caller, guests, signal, annotate }: Wanted): SessionQueue {
    // Places that could not say who they are; the next call may ask them again.
    const failed = new Set<CredentialSource>()
    let failure: GatewayError | undefined
    const ticket = pool.ticket({
      model,
      caller,
      signal,
      annotate,
      accepts: (source) => !failed.has(source) && (guests || source.kind !== 'guest'),
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
            if (source.kind === 'guest') return guestLease(await enterGuest(source, signal), source, lease)
            const session = await sessionOfAccount(source, signal)
            if (session !== undefined) return accountLease(session, source, lease)
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

  /** A session of the place, or `undefined` when its token is dead. */
  async function sessionOfAccount(account: AccountCredential, signal: AbortSignal): Promise<Session | undefined> {
    if (account.kind === 'user') warnedOfGuests = false
    return (await isUsable(account, signal)) ? account.session : undefined
  }

  /** A guest, with the chat counted. */
  async function enterGuest(source: GuestChats, signal: AbortSignal): Promise<Guest> {
    warnOfGuests()
    for (;;) {
      const guest = await guestIn(source, signal)
      if (guest.cleaning) continue // its last chat ended meanwhile
      guest.chats++
      guest.used = true
      return guest
    }
  }

  function accountLease(session: Session, account: AccountCredential, lease: Lease<CredentialSource>): SessionLease {
    const { id, reportSuccess, release } = lease
    return {
      id,
      session,
      reportSuccess,
      release,
      reportFailure(refusal, error) {
        // A token that was rolled meanwhile has not been refused.
        if (refusal === 'invalid-credential' && account.session !== session) return release()
        if (refusal === 'invalid-credential') {
          account.checkAt = clock.monotonic() + checkedForMs
          markInvalid(account, 'was refused')
        }
        lease.reportFailure(refusal, error, refusal === 'invalid-credential' ? checkedForMs : undefined)
      },
    }
  }

  function guestLease(guest: Guest, source: GuestChats, lease: Lease<CredentialSource>): SessionLease {
    let here = true
    const releaseChat = () => {
      if (!here) return
      here = false
      guest.chats--
      tidyUp(guest, source)
    }
    return {
      id: lease.id,
      session: guest.session,
      reportSuccess: lease.reportSuccess,
      release() {
        releaseChat()
        lease.release()
      },
      reportFailure(refusal, error) {
        releaseChat()
        // There are more guests where this one came from.
        if (refusal === 'invalid-credential' && source.current === guest) source.current = undefined
        if (refusal === 'invalid-credential' && source.spare === guest) source.spare = undefined
        if (refusal === 'invalid-credential') lease.release()
        else lease.reportFailure(refusal, error)
      },
    }
  }

  /** Deletes the chats of a guest who has none under way, in the background; meanwhile chats go to the other one. */
  function tidyUp(guest: Guest, source: GuestChats): void {
    if (guest.chats > 0 || !guest.used || guest.cleaning) return
    if (source.current === guest) {
      if (source.spare?.cleaning) return
      source.current = source.spare
      source.spare = guest
    }
    guest.cleaning = true
    void deleteGuestChats(guest.session).then(() => {
      guest.cleaning = false
      guest.used = false
      // Its chats were kept while this deletion ran.
      if (source.current !== undefined) tidyUp(source.current, source)
    })
  }

  async function peek(signal: AbortSignal): Promise<Session> {
    const user = await aliveUser(signal)
    if (user !== undefined) return user
    let failure: unknown
    if (guest !== undefined) {
      warnOfGuests()
      try {
        return (await guestIn(guest, signal)).session
      } catch (thrown) {
        failure = thrown
      }
    }
    if (signal.aborted) throw cancelled()
    if (backup !== undefined && (await isUsable(backup, signal))) return backup.session
    throw failure ?? nothingUsable()
  }

  function warnOfGuests(): void {
    if (warnedOfGuests || users.length === 0 || !users.every(({ isInvalid }) => isInvalid)) return
    warnedOfGuests = true
    log('warn', 'No token of ZAI_TOKEN is accepted; chatting as a guest.')
  }

  async function aliveUser(signal: AbortSignal): Promise<Session | undefined> {
    for (let tries = 0; tries < users.length; tries++) {
      const user = users[turn++ % users.length]
      if (user === undefined || !(await isUsable(user, signal))) continue
      warnedOfGuests = false
      return user.session
    }
    return undefined
  }

  async function isUsable(account: AccountCredential, signal: AbortSignal): Promise<boolean> {
    if (clock.monotonic() >= account.checkAt) await account.check(signal)
    return !account.isInvalid
  }

  async function guestIn(source: GuestChats, signal: AbortSignal): Promise<Guest> {
    const { current, spare } = source
    if (current !== undefined && isFresh(current)) return current
    // Whoever had become too old has its chats deleted once they are over.
    source.current = undefined
    if (current !== undefined) tidyUp(current, source)
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
    return clock.monotonic() - mintedAt < guestTtlMs
  }

  function guests(): GuestChats {
    const source: GuestChats = {
      kind: 'guest',
      current: undefined,
      spare: undefined,
      mint: singleFlight(async () => {
        const session = sessionOf('guest', sessionAnswer(await auths(undefined)))
        source.current = { session, mintedAt: clock.monotonic(), chats: 0, used: false, cleaning: false }
        return source.current
      }),
    }
    return source
  }

  function account(kind: 'user' | 'backup', token: string): AccountCredential {
    const account: AccountCredential = {
      kind,
      name: '',
      session: { kind, token, userId: claims(token).id ?? '', userName: 'User' },
      isInvalid: false,
      checkAt: Number.NEGATIVE_INFINITY,
      check: singleFlight(() => check(account)),
    }
    return account
  }

  /** Asks whether the token still is who it was, and takes over the token that comes back. */
  async function check(account: AccountCredential): Promise<void> {
    const { kind, token, userId, userName } = account.session
    try {
      const answer = await auths(token)
      account.checkAt = clock.monotonic() + checkedForMs
      if (isRefusal(answer)) {
        markInvalid(account, 'was refused')
        return
      }
      const known = sessionAnswer(answer)
      // A revoked token is answered with 200 and a brand-new guest.
      if (isGuest(known.email, known.role) && !isGuest(claims(token).email)) {
        markInvalid(account, 'is not accepted any more: the site answers as to a guest')
        return
      }
      account.isInvalid = false
      const next = sessionOf(kind, known)
      if (next.token !== token || next.userId !== userId || next.userName !== userName) account.session = next
    } catch (thrown) {
      // The site could not say. The token may do all the same, as long as we know whose it is.
      account.checkAt = userId === '' ? Number.NEGATIVE_INFINITY : clock.monotonic() + checkAgainMs
      if (userId === '') throw thrown
    }
  }

  function markInvalid(account: AccountCredential, what: string): void {
    if (!account.isInvalid) log('warn', `${account.name} ${what}. Copy a fresh one from the browser.`)
    account.isInvalid = true
  }

  async function auths(token: string | undefined): Promise<WebResponse> {
    const { signal } = new AbortController()
    const known = await version.current(signal)
    return client.ask('/api/v1/auths/', { version: known, signal, ...(token === undefined ? {} : { token }) })
  }

  async function deleteGuestChats({ token }: Session): Promise<void> {
    const { signal } = new AbortController()
    try {
      const known = await version.current(signal)
      await client.ask('/api/v1/chats/', {
        method: 'DELETE',
        token,
        version: known,
        signal,
        timeoutMs: cleanupTimeoutMs,
      })
    } catch {
      // Housekeeping: the guest is gone in a few minutes anyway.
    }
  }

  function nothingUsable(): GatewayError {
    const code = 'upstream_auth_failed'
    if (accounts.length === 0)
      return new GatewayError(
        'upstream-auth',
        'The gateway has no Z.AI session: set ZAI_TOKEN to a token from chat.z.ai, or allow guests with ANONYMOUS_MODE=true.',
        { code },
      )
    return new GatewayError(
      'upstream-auth',
      'Z.AI accepts none of the tokens this gateway has: put a fresh one from chat.z.ai into ZAI_TOKEN.',
      { code },
    )
  }
}

const SessionAnswer = Type.Object(
  {
    id: Type.String(),
    token: Type.String({ minLength: 1 }),
    name: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    email: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    role: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  },
  { additionalProperties: true },
)
type SessionAnswer = Static<typeof SessionAnswer>

function sessionAnswer(answer: WebResponse): SessionAnswer {
  const body = parseJson(answer.text)
  if (answer.ok && Value.Check(SessionAnswer, body)) return body
  throw bodyError(answer.status, answer.contentType, answer.text)
}

/** An edge firewall answers 403 too, with a page, and knows nothing of tokens. */
function isRefusal({ status, contentType }: WebResponse): boolean {
  return status === 401 || (status === 403 && contentType.includes('json'))
}

function sessionOf(kind: Session['kind'], answer: SessionAnswer): Session {
  return { kind, token: answer.token, userId: claims(answer.token).id ?? answer.id, userName: answer.name ?? 'User' }
}

function isGuest(email: string | null | undefined, role?: string | null): boolean {
  return role === 'guest' || /^guest-.*@guest\.com$/i.test(email ?? '')
}

/** What the token says about itself; nothing when it is no JWT. */
function claims(token: string): { id?: string; email?: string } {
  const payload = parseJson(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  if (typeof payload !== 'object' || payload === null) return {}
  const fields = new Map<string, unknown>(Object.entries(payload))
  const id = ['id', 'user_id', 'uid', 'sub'].map((name) => fields.get(name)).find((value) => typeof value === 'string')
  const email = fields.get('email')
  return { ...(typeof id === 'string' ? { id } : {}), ...(typeof email === 'string' ? { email } : {}) }
}

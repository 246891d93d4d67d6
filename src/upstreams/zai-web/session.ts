import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { Clock } from '../../core/clock.ts'
import { asGatewayError, cancelled, GatewayError } from '../../core/errors.ts'
import { parseJson } from '../../core/json.ts'
import type { Lease, Member, Pool } from '../../core/pool.ts'
import { singleFlight } from '../../wire/shared.ts'
import { bodyError } from './errors.ts'
import type { Answer, Site } from './site.ts'
import type { FrontEndVersion } from './version.ts'

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
  /** Guests may not do everything: upload a picture, for one. */
  guests: boolean
  note: (note: string) => void
}

export interface Sessions {
  /** Whether any token of the user's own is set, dead or alive. */
  hasAccounts: boolean
  /** A session to ask small things with. Rejects with `upstream-auth` when there is none. */
  peek(signal: AbortSignal): Promise<Session>
  /** The place of one call in the line for sessions. */
  visit(wanted: Wanted): Visit
}

export interface Visit {
  /** A session for a chat, once there is room under it. Rejects as `peek` and `Turn.lease` do. */
  enter(): Promise<Stay>
}

/** A session with room for one chat. Ends with `refuse` or `leave`, whichever comes first. */
export interface Stay {
  id: string
  session: Session
  /** The site answers. */
  works(): void
  refuse(
    refusal: 'concurrency-limited' | 'account-concurrency-limited' | 'invalid-credential',
    error: GatewayError,
  ): void
  /** The chat is over. When the last one leaves a guest, its chats are deleted, which frees the guest's slots. */
  leave(): void
}

export interface SessionOptions {
  site: Site
  clock: Clock
  version: FrontEndVersion
  pool: Pool<Place>
  tokens: readonly string[]
  backupToken: string | undefined
  anonymous: boolean
  guestTtlMs: number
  log: (level: 'info' | 'warn', message: string) => void
}

/** What the pool lends: where sessions come from. */
export type Place = Account | Guests

/** One configured token. */
interface Account {
  kind: 'user' | 'backup'
  /** How the log calls it. */
  name: string
  /** Its token is the newest the site has handed out for the configured one. */
  session: Session
  dead: boolean
  /** Epoch milliseconds. */
  checkAt: number
  check: (signal: AbortSignal) => Promise<void>
}

/**
 * Guests: one that new chats go to, and one more while the chats of the first are deleted. No third is made for that: as
 * long as one deletion runs, the other guest keeps its chats.
 */
interface Guests {
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
  const { site, clock, version, pool, anonymous, guestTtlMs, log } = options
  const places = pool.setMembers([
    ...options.tokens.map((token, place) => member(0, `token ${place + 1}`, token, () => account('user', token))),
    ...(anonymous ? [member(1, 'guest', '', guests)] : []),
    ...(options.backupToken === undefined ? [] : [backupMember(options.backupToken)]),
  ])
  const accounts = places.filter((place) => place.kind !== 'guest')
  const users = accounts.filter(({ kind }) => kind === 'user')
  const backup = accounts.find(({ kind }) => kind === 'backup')
  const guest = places.find((place) => place.kind === 'guest')
  for (const known of accounts) {
    known.name = known === backup ? 'The backup token' : `Token ${users.indexOf(known) + 1} of ZAI_TOKEN`
    if (known.dead) known.checkAt = Number.NEGATIVE_INFINITY // it may have been mended since
  }
  let turn = 0
  let warnedOfGuests = false

  return { hasAccounts: accounts.length > 0, peek, visit }

  function member(rank: number, id: string, token: string, create: () => Place): Member<Place> {
    return { id, rank, secret: `${site.origin} ${rank} ${token}`, create }
  }

  function backupMember(token: string): Member<Place> {
    return member(2, 'backup token', token, () => account('backup', token))
  }

  function visit({ model, caller, guests, signal, note }: Wanted): Visit {
    // Places that could not say who they are; the next call may ask them again.
    const failed = new Set<Place>()
    let failure: GatewayError | undefined
    const line = pool.ticket({
      model,
      caller,
      signal,
      annotate: note,
      accepts: (place) => !failed.has(place) && (guests || place.kind !== 'guest'),
      noneAccepts: nothingUsable,
    })
    return {
      async enter() {
        for (;;) {
          const lease = await line.lease().catch((thrown: unknown) => {
            throw signal.aborted ? thrown : (failure ?? thrown)
          })
          const place = lease.credential
          try {
            if (place.kind === 'guest') return guestStay(await enterGuest(place, signal), place, lease)
            const session = await sessionOfAccount(place, signal)
            if (session !== undefined) return accountStay(session, place, lease)
            lease.reportFailure('invalid-credential', nothingUsable(), place.checkAt - clock.monotonic())
          } catch (thrown) {
            lease.release()
            if (signal.aborted) throw cancelled()
            failed.add(place)
            failure = asGatewayError(thrown)
          }
        }
      },
    }
  }

  /** A session of the place, or `undefined` when its token is dead. */
  async function sessionOfAccount(account: Account, signal: AbortSignal): Promise<Session | undefined> {
    if (account.kind === 'user') warnedOfGuests = false
    return (await isUsable(account, signal)) ? account.session : undefined
  }

  /** A guest, with the chat counted. */
  async function enterGuest(place: Guests, signal: AbortSignal): Promise<Guest> {
    warnOfGuests()
    for (;;) {
      const guest = await guestIn(place, signal)
      if (guest.cleaning) continue // its last chat ended meanwhile
      guest.chats++
      guest.used = true
      return guest
    }
  }

  function accountStay(session: Session, account: Account, lease: Lease<Place>): Stay {
    const { id, reportSuccess: works, release } = lease
    return {
      id,
      session,
      works,
      leave: release,
      refuse(refusal, error) {
        // A token that was rolled meanwhile has not been refused.
        if (refusal === 'invalid-credential' && account.session !== session) return release()
        if (refusal === 'invalid-credential') {
          account.checkAt = clock.monotonic() + checkedForMs
          bury(account, 'was refused')
        }
        lease.reportFailure(refusal, error, refusal === 'invalid-credential' ? checkedForMs : undefined)
      },
    }
  }

  function guestStay(guest: Guest, place: Guests, lease: Lease<Place>): Stay {
    let here = true
    const vacate = () => {
      if (!here) return
      here = false
      guest.chats--
      tidyUp(guest, place)
    }
    return {
      id: lease.id,
      session: guest.session,
      works: lease.reportSuccess,
      leave() {
        vacate()
        lease.release()
      },
      refuse(refusal, error) {
        vacate()
        // There are more guests where this one came from.
        if (refusal === 'invalid-credential' && place.current === guest) place.current = undefined
        if (refusal === 'invalid-credential' && place.spare === guest) place.spare = undefined
        if (refusal === 'invalid-credential') lease.release()
        else lease.reportFailure(refusal, error)
      },
    }
  }

  /** Deletes the chats of a guest who has none under way, in the background; meanwhile chats go to the other one. */
  function tidyUp(guest: Guest, place: Guests): void {
    if (guest.chats > 0 || !guest.used || guest.cleaning) return
    if (place.current === guest) {
      if (place.spare?.cleaning) return
      place.current = place.spare
      place.spare = guest
    }
    guest.cleaning = true
    void deleteGuestChats(guest.session).then(() => {
      guest.cleaning = false
      guest.used = false
      // Its chats were kept while this deletion ran.
      if (place.current !== undefined) tidyUp(place.current, place)
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
    if (warnedOfGuests || users.length === 0 || !users.every(({ dead }) => dead)) return
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

  async function isUsable(account: Account, signal: AbortSignal): Promise<boolean> {
    if (clock.monotonic() >= account.checkAt) await account.check(signal)
    return !account.dead
  }

  async function guestIn(place: Guests, signal: AbortSignal): Promise<Guest> {
    const { current, spare } = place
    if (current !== undefined && isFresh(current)) return current
    // Whoever had become too old has its chats deleted once they are over.
    place.current = undefined
    if (current !== undefined) tidyUp(current, place)
    if (spare !== undefined && !spare.cleaning) {
      place.spare = undefined
      if (isFresh(spare)) {
        place.current = spare
        return spare
      }
    }
    return place.mint(signal)
  }

  function isFresh({ mintedAt }: Guest): boolean {
    return clock.monotonic() - mintedAt < guestTtlMs
  }

  function guests(): Guests {
    const place: Guests = {
      kind: 'guest',
      current: undefined,
      spare: undefined,
      mint: singleFlight(async () => {
        const session = sessionOf('guest', sessionAnswer(await auths(undefined)))
        place.current = { session, mintedAt: clock.monotonic(), chats: 0, used: false, cleaning: false }
        return place.current
      }),
    }
    return place
  }

  function account(kind: 'user' | 'backup', token: string): Account {
    const account: Account = {
      kind,
      name: '',
      session: { kind, token, userId: claims(token).id ?? '', userName: 'User' },
      dead: false,
      checkAt: Number.NEGATIVE_INFINITY,
      check: singleFlight(() => check(account)),
    }
    return account
  }

  /** Asks whether the token still is who it was, and takes over the token that comes back. */
  async function check(account: Account): Promise<void> {
    const { kind, token, userId, userName } = account.session
    try {
      const answer = await auths(token)
      account.checkAt = clock.monotonic() + checkedForMs
      if (isRefusal(answer)) {
        bury(account, 'was refused')
        return
      }
      const known = sessionAnswer(answer)
      // A revoked token is answered with 200 and a brand-new guest.
      if (isGuest(known.email, known.role) && !isGuest(claims(token).email)) {
        bury(account, 'is not accepted any more: the site answers as to a guest')
        return
      }
      account.dead = false
      const next = sessionOf(kind, known)
      if (next.token !== token || next.userId !== userId || next.userName !== userName) account.session = next
    } catch (thrown) {
      // The site could not say. The token may do all the same, as long as we know whose it is.
      account.checkAt = userId === '' ? Number.NEGATIVE_INFINITY : clock.monotonic() + checkAgainMs
      if (userId === '') throw thrown
    }
  }

  function bury(account: Account, what: string): void {
    if (!account.dead) log('warn', `${account.name} ${what}. Copy a fresh one from the browser.`)
    account.dead = true
  }

  async function auths(token: string | undefined): Promise<Answer> {
    const { signal } = new AbortController()
    const known = await version.current(signal)
    return site.ask('/api/v1/auths/', { version: known, signal, ...(token === undefined ? {} : { token }) })
  }

  async function deleteGuestChats({ token }: Session): Promise<void> {
    const { signal } = new AbortController()
    try {
      const known = await version.current(signal)
      await site.ask('/api/v1/chats/', { method: 'DELETE', token, version: known, signal, timeoutMs: cleanupTimeoutMs })
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

function sessionAnswer(answer: Answer): SessionAnswer {
  const body = parseJson(answer.text)
  if (answer.ok && Value.Check(SessionAnswer, body)) return body
  throw bodyError(answer.status, answer.contentType, answer.text)
}

/** An edge firewall answers 403 too, with a page, and knows nothing of tokens. */
function isRefusal({ status, contentType }: Answer): boolean {
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

import { timingSafeEqual } from 'node:crypto'
import type { Caller } from '../core/caller.ts'
import { GatewayError } from '../core/errors.ts'
import { sessionLimits } from '../store/operator-sessions.ts'
import { type AccessOptions, presentedKeys, refuseOthers } from './access.ts'
import { type ClientKey, digestOf, localCaller } from './client-keys.ts'
import type { SignInSessions } from './sign-in-sessions.ts'
import type { WrongKeys } from './wrong-keys.ts'

/**
 * How the operator was recognised: by the cookie of a signed-in page, by the key itself, or by calling from this
 * machine.
 */
export interface AdmittedOperator {
  caller: Caller
  how: 'cookie' | 'token' | 'loopback'
}

/**
 * Decides who is the operator. The key is `ADMIN_TOKEN`, or `AUTH_TOKEN` if that is not set. Without either, only this
 * machine has access, and among web pages only the gateway's own.
 */
export interface OperatorAccess {
  /**
   * Looks up the session of a request among those of other gateways. Call it before anything else. `undefined` where
   * nothing has to be looked up.
   */
  recall(request: Request): Promise<void> | undefined
  /**
   * Errors: `forbidden` for a page of another origin, whatever key it has; `unauthorized` with the tries that are left;
   * `rate-limited` after too many wrong keys.
   */
  admit(request: Request): AdmittedOperator
  /**
   * For long answers: whether a request that was admitted still would be. The check does not prolong the sign-in
   * session.
   */
  admission(request: Request): () => boolean
  /** The operator, if the request comes from a page that has signed in and that is the gateway's own. */
  pageCaller(request: Request): Caller | undefined
  /** Refuses requests of other pages before any key is checked. Errors: `forbidden`. */
  refuseOtherPages(request: Request): void
  /** Resolves with the `set-cookie` of a new session. Errors: those of `admit`. */
  signIn(request: Request, token: string): Promise<string>
  /** Ends the session. Resolves with the `set-cookie` that takes the cookie away. */
  signOut(request: Request): Promise<string>
}

export interface OperatorAccessOptions {
  /** Asked for every request, because keys may change. */
  access: () => AccessOptions
  keyHeaders: readonly string[]
  sessions: SignInSessions
  wrongKeys: WrongKeys
}

export function createOperatorAccess({
  access,
  keyHeaders,
  sessions,
  wrongKeys,
}: OperatorAccessOptions): OperatorAccess {
  return {
    recall(request) {
      const secrets = sessionSecrets(request)
      const key = secrets.length === 0 ? undefined : operatorKey()
      // The session of a request that brings a key does not matter.
      if (key === undefined || presentedKeys(request.headers, keyHeaders).length > 0) return undefined
      return sessions.recall(secrets, key.digest, hostOf(request))
    },
    admit(request) {
      // Comes first, because a page of another origin would otherwise try wrong keys from the operator's own address.
      refuseForeignPage(request)
      const key = operatorKey()
      if (key === undefined) {
        refuseOthers(request, { port: access().port })
        return { caller: localCaller(access().policy), how: 'loopback' }
      }
      const presented = presentedKeys(request.headers, keyHeaders)
      if (presented.length > 0) {
        checkTokens(request, presented, key)
        return { caller: key.caller, how: 'token' }
      }
      const caller = pageCaller(request)
      if (caller !== undefined) return { caller, how: 'cookie' }
      throw unauthorized(
        request,
        'missing_api_key',
        `This is for the operator: sign in, or send the value of ${key.variable} as \`Authorization: Bearer <key>\`.`,
      )
    },
    admission(request) {
      const digests = presentedKeys(request.headers, keyHeaders).map(digestOf)
      const [secrets, host] = [sessionSecrets(request), hostOf(request)]
      return () => {
        const key = operatorKey()
        if (key === undefined) return true
        if (digests.length > 0) return digests.some((digest) => timingSafeEqual(digest, key.digest))
        return secrets.some((secret) => sessions.isOpen(secret, key.digest, host))
      }
    },
    pageCaller,
    refuseOtherPages(request) {
      refuseForeignPage(request)
      if (operatorKey() === undefined) refuseOthers(request, { port: access().port })
    },
    async signIn(request, token) {
      const key = operatorKey()
      // No operator's key is set: this machine has access without signing in.
      if (key === undefined) return cookie(request, '', 0)
      checkTokens(request, [token], key)
      return cookie(request, await sessions.open(key.digest, hostOf(request)), sessionLimits.longestMs)
    },
    async signOut(request) {
      await sessions.close(sessionSecrets(request))
      return cookie(request, '', 0)
    },
  }

  function operatorKey(): ClientKey | undefined {
    return access().keys.find(({ caller }) => caller.scope.includes('operator'))
  }

  function pageCaller(request: Request): Caller | undefined {
    const key = operatorKey()
    if (key === undefined) return undefined
    const host = hostOf(request)
    if (!sessionSecrets(request).some((secret) => sessions.holds(secret, key.digest, host))) return undefined
    refuseForeignPage(request)
    // Every browser names the origin of a request that may change something.
    if (isUnsafe(request) && pageOf(request) !== 'own')
      throw new GatewayError('forbidden', 'A page that has signed in must say its Origin when it changes something.', {
        code: 'origin_missing',
      })
    return { ...key.caller, scope: ['operator', 'openai', 'anthropic'] }
  }

  /** One of them has to be the operator's. */
  function checkTokens(request: Request, tokens: readonly string[], { digest, variable }: ClientKey): void {
    if (tokens.some((token) => timingSafeEqual(digestOf(token), digest))) return
    wrongKeys.refuse(request, tokens, () =>
      unauthorized(request, 'invalid_api_key', `That is not the operator's key: it is the value of ${variable}.`),
    )
  }

  function unauthorized(request: Request, code: string, message: string): GatewayError {
    return new GatewayError('unauthorized', message, { code, details: { attempts_left: wrongKeys.left(request) } })
  }
}

function isUnsafe({ method }: Request): boolean {
  return method !== 'GET' && method !== 'HEAD'
}

/**
 * Whether a page of this gateway sent the request (`own`), another page (`foreign`), or no page that the browser names
 * (`none`). The browser sets these headers, and no page can change them. `same-site` counts as `foreign`, because a
 * site includes every port of a host.
 */
function pageOf({ headers }: Request): 'own' | 'foreign' | 'none' {
  const site = headers.get('sec-fetch-site')
  if (site === 'same-origin') return 'own'
  if (site !== null && site !== 'none') return 'foreign'
  const origin = headers.get('origin')
  if (origin === null) return 'none'
  return /^https?:\/\/(.+)$/i.exec(origin)?.[1]?.toLowerCase() === headers.get('host')?.toLowerCase()
    ? 'own'
    : 'foreign'
}

function refuseForeignPage(request: Request): void {
  if (pageOf(request) !== 'foreign') return
  throw new GatewayError(
    'forbidden',
    'Only the own page of this gateway may ask this. A proxy in between has to pass the Host header on as it is.',
    { code: 'origin_not_allowed' },
  )
}

function hostOf({ headers }: Request): string {
  return (headers.get('host') ?? '').toLowerCase()
}

/** Browsers keep the cookies of all ports of a host together. */
function cookieName(request: Request): string {
  return `zai2api_${/:(\d+)$/.exec(hostOf(request))?.[1] ?? 'page'}`
}

/** Anybody may send cookies that were made up, and each costs several digests and a look-up in the database. */
const mostCookies = 500
const mostSecrets = 10
/** See `newSecret`. */
const secretPattern = /^[\w-]{43}$/

function sessionSecrets(request: Request): string[] {
  const header = request.headers.get('cookie')
  if (header === null) return []
  const name = `${cookieName(request)}=`
  const cookies = header.split(/;\s*/, mostCookies)
  const secrets = cookies.filter((each) => each.startsWith(name)).map((each) => each.slice(name.length))
  return secrets.filter((secret) => secretPattern.test(secret)).slice(0, mostSecrets)
}

function cookie(request: Request, secret: string, maxAgeMs: number): string {
  const origin = request.headers.get('origin') ?? ''
  // If the page was loaded by https, its cookie is only ever sent by https.
  const secure = /^https:/i.test(origin) ? '; Secure' : ''
  return `${cookieName(request)}=${secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${Math.floor(maxAgeMs / 1000)}${secure}`
}

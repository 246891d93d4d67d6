import { timingSafeEqual } from 'node:crypto'
import { anonymous, type Caller, type CallerPolicy, type Scope } from '../core/caller.ts'
import type { CredentialScope } from '../core/dialect.ts'
import { GatewayError } from '../core/errors.ts'
import { truncate } from '../core/truncate.ts'
import { type ClientKey, digestOf, localCaller } from './client-keys.ts'
import type { WrongKeys } from './wrong-keys.ts'

export interface AccessOptions {
  /** If the list is empty, every request from this machine is accepted. */
  keys: readonly ClientKey[]
  /** The policy for callers that need no key. */
  policy: CallerPolicy
  /** Browser origins the operator trusts. */
  corsOrigins: readonly string[]
  /** Whether a key may come in the query. */
  queryKeys?: boolean
  /** The port that the gateway listens on; absent, it is none that a URL may leave out. */
  port?: number
}

/**
 * Who may use a route:
 *
 * - `health`: anybody, under any `Host`. The response says only that the process lives.
 * - `open`: any request with an accepted `Host` and origin. The response says nothing about keys or callers.
 * - `client`: holders of a key for the route's API, or of any client key where the route belongs to no API.
 * - `sign-in`: as `open`, but refused to every web page except our own: the route takes the operator's key.
 * - `operator`: holders of `ADMIN_TOKEN`, or of `AUTH_TOKEN` where that is not set; see `OperatorAccess`.
 */
export type Access = 'health' | 'open' | 'client' | 'sign-in' | 'operator'

/** What a route requires of its callers. */
export interface Requirement {
  access: Access
  /** The API whose keys the route takes; absent if it belongs to no API. */
  credentials?: CredentialScope | undefined
  /** Id of the dialect that is spoken there. */
  dialect?: string | undefined
  /** The headers of that dialect for a key, which an error suggests; any other one is accepted, too. */
  keyHeaders?: readonly string[] | undefined
  /** The key that came in the query, where the API has a parameter for it. */
  queryKey?: string | undefined
}

/** What is asked of `OperatorAccess`. */
export interface Operators {
  admit(request: Request): { caller: Caller }
  pageCaller(request: Request): Caller | undefined
  refuseOtherPages(request: Request): void
}

export interface AccessParts {
  /** The headers in which clients of any dialect send a key. */
  keyHeaders: readonly string[]
  operators: Operators
  wrongKeys: WrongKeys
  issued?: IssuedKeys | undefined
}

/**
 * Decides whether a request may use the matched route, and identifies its caller.
 *
 * Without a key the gateway serves this machine only: see `refuseOthers`. Keys come in `Authorization: Bearer` or in
 * one of `keyHeaders`, and in the query string only with `queryKeys`. Errors: `unauthorized`, `forbidden`;
 * `rate-limited` for one wrong key after many.
 */
export function createAccess(
  { policy, corsOrigins, port, ...options }: AccessOptions,
  { keyHeaders, operators, wrongKeys, issued = () => undefined }: AccessParts,
): (request: Request, requirement: Requirement) => Caller {
  const keys = options.keys.filter(({ caller }) => caller.scope.some(isApi))
  const local = localCaller(policy)
  return (request, requirement) => {
    const { access } = requirement
    if (access === 'operator') return operators.admit(request).caller
    if (access === 'sign-in') operators.refuseOtherPages(request)
    const isOpen = keys.length === 0
    if (isOpen) refuseOthers(request, { corsOrigins, port, anyHost: access === 'health' })
    if (access !== 'client') return isOpen ? local : anonymous
    const { queryKey } = requirement
    if (queryKey !== undefined && !options.queryKeys) throw keyInQuery(requirement.keyHeaders ?? keyHeaders)
    const presented = presentedKeys(request.headers, keyHeaders)
    if (queryKey) presented.push(queryKey)
    const caller = isOpen ? (issuedCaller(presented) ?? local) : clientOf(request, presented, requirement)
    rejectOtherDialect(caller, requirement)
    return caller
  }

  function clientOf(request: Request, presented: readonly string[], requirement: Requirement): Caller {
    if (presented.length === 0) {
      const caller = operators.pageCaller(request)
      if (caller === undefined) throw missingKey(requirement.keyHeaders ?? keyHeaders)
      return caller
    }
    const accepted = keys.filter(({ caller }) => opens(caller, requirement))
    try {
      return matchedKey(presented, accepted)?.caller ?? issuedCaller(presented) ?? rejectKey(accepted)
    } catch (thrown) {
      // A disabled or expired key was right once, and is not counted as a guess.
      if (!(thrown instanceof GatewayError) || thrown.code !== wrongKey) throw thrown
      return wrongKeys.refuse(request, presented, () => thrown)
    }
  }

  function issuedCaller(presented: readonly string[]): Caller | undefined {
    let refusal: unknown
    for (const key of presented)
      try {
        const caller = issued(key)
        if (caller !== undefined) return caller
      } catch (thrown) {
        refusal ??= thrown
      }
    if (refusal !== undefined) throw refusal
    return undefined
  }
}

/**
 * Finds the caller of a key that the operator has issued; `undefined` if the text does not begin as issued keys do.
 * Errors: `unauthorized` for a key that is unknown, disabled or expired.
 */
export type IssuedKeys = (secret: string) => Caller | undefined

function isApi(scope: Scope): boolean {
  return scope !== 'operator'
}

function opens({ scope }: Caller, { credentials }: Requirement): boolean {
  return credentials === undefined || scope.includes(credentials)
}

/** All keys that a request brings, the gateway's own and others. */
export function presentedKeys(headers: Headers, keyHeaders: readonly string[]): string[] {
  const bearer = /^bearer\s+(.+)$/i.exec(headers.get('authorization') ?? '')?.[1]
  return [bearer, ...keyHeaders.map((name) => headers.get(name))].filter((key) => typeof key === 'string')
}

function missingKey(keyHeaders: readonly string[]): GatewayError {
  return new GatewayError('unauthorized', `This gateway needs its key: send it as ${waysToSend(keyHeaders)}.`, {
    code: 'missing_api_key',
  })
}

/** Refuses a key in the query, also where no key is needed: histories and logs of proxies keep it. */
function keyInQuery(keyHeaders: readonly string[]): GatewayError {
  return new GatewayError(
    'unauthorized',
    `This gateway takes no key from an address, which browsers and proxies keep: send it as ${waysToSend(keyHeaders)}. ALLOW_QUERY_KEY=true allows it.`,
    { code: 'key_in_query' },
  )
}

function waysToSend(keyHeaders: readonly string[]): string {
  const ways = ['Authorization: Bearer', ...new Set(keyHeaders.map((name) => `${name}:`))]
  return ways.map((way) => `\`${way} <key>\``).join(' or ')
}

/**
 * The first key that is one of the gateway's. Clients may send a key of another provider with it: Claude Code has the
 * gateway's as Bearer and one of Anthropic's in `x-api-key`, and others have it the other way round.
 */
function matchedKey(presented: readonly string[], accepted: readonly ClientKey[]): ClientKey | undefined {
  for (const key of presented) {
    const own = digestOf(key)
    const matched = accepted.find(({ digest }) => timingSafeEqual(own, digest))
    if (matched !== undefined) return matched
  }
  return undefined
}

function rejectKey(accepted: readonly ClientKey[]): never {
  const variables = accepted.map(({ variable }) => variable)
  throw new GatewayError(
    'unauthorized',
    `The key is not the one this gateway was given: send the value of ${variables.join(' or ')}.`,
    { code: wrongKey },
  )
}

/** The code for a key that neither the configuration nor the operator has issued. */
const wrongKey = 'invalid_api_key'

/** Errors: `forbidden` for a key that may not be used for the dialect. */
export function rejectOtherDialect({ policy }: Caller, { dialect }: Requirement): void {
  if (dialect === undefined || policy.dialects === undefined || policy.dialects.includes(dialect)) return
  throw new GatewayError(
    'forbidden',
    `This key may not be used for ${dialect}, only for ${policy.dialects.join(', ')}.`,
    { code: 'dialect_not_allowed' },
  )
}

/**
 * Headers that proxies, tunnels, load balancers and CDNs add about the client or about themselves. Behind one of them,
 * every request seems to come from this machine. Sources: RFC 7239, RFC 9110 (7.6.3), RFC 8586, and what their makers
 * document: nginx, Apache, HAProxy, Varnish, Envoy, Cloudflare, Akamai, Fastly, Sucuri, AWS, Azure, Google, IIS, Fly,
 * Heroku, Netlify, Railway, Render, Vercel, ngrok, Tailscale. The headers that programs send to the AI gateways of
 * Cloudflare and Vercel, or for Cloudflare Access, are left out.
 */
const proxyHeaders = new RegExp(
  `^(?:${[
    ...['forwarded', 'x-forwarded', '(?:x-(?:original-)?)?forwarded-.*', 'via', 'cdn-loop', 'surrogate-capability'],
    ...['(?:.*-)?client-?ip', '.*-connecting-ip', '.*-connection-ip', 'x-(?:real|remote|proxyuser)-(?:ip|addr|port)'],
    ...[
      'x-original-.*',
      'x-rewrite-url',
      'x-proxy-.*',
      'x-(?:url-)?scheme',
      'x-served-by',
      'x-varnish',
      'x-request-start',
    ],
    ...['x-envoy-.*', 'cf-(?!aig-|access-client-).*', '(?:x-)?akamai-.*', 'fastly-.*', 'x-sucuri-.*', 'x-amzn-.*'],
    ...['x-amz-cf-id', 'x-azure-.*', 'x-fd-.*', 'x-arr-.*', 'x-appengine-.*', 'x-cloud-trace-context', 'fly-.*'],
    ...['x-nf-.*', 'x-railway-.*', 'rndr-id', 'x-vercel-(?!ai).*', '(?:x-)?ngrok-.*', 'tailscale-.*'],
  ].join('|')})$`,
)

export interface LocalRules {
  /** The origins of web pages elsewhere that may ask. */
  corsOrigins?: readonly string[]
  /** Whether the request may name any `Host`. */
  anyHost?: boolean
  /** The port that is listened on; absent, it is none that a URL may leave out. */
  port?: number | undefined
}

/**
 * Refuses requests that may come from another machine. A `Host` or `Origin` that is not loopback shows a DNS rebinding
 * attack by a web page, and a request that came through a proxy may come from anywhere. Errors: `forbidden`.
 */
export function refuseOthers(request: Request, { corsOrigins = [], anyHost = false, port }: LocalRules = {}): void {
  const added = proxyHeader(request)
  if (added !== undefined)
    throw new GatewayError(
      'forbidden',
      `Without AUTH_TOKEN this gateway answers to this machine only, and this request came through a proxy (${truncate(added)}): set AUTH_TOKEN, and give clients that key.`,
      { code: 'proxy_not_allowed' },
    )
  if (anyHost) return
  const host = request.headers.get('host')
  if (host !== null) refuseOtherHost(host, port)
  const origin = request.headers.get('origin')
  if (origin === null || corsOrigins.includes(origin) || isLoopbackHost(urlOr(origin)?.hostname ?? '')) return
  throw new GatewayError(
    'forbidden',
    'Without AUTH_TOKEN this gateway refuses web pages of other origins. Set AUTH_TOKEN, or name the origin in CORS_ORIGINS.',
    { code: 'origin_not_allowed' },
  )
}

function refuseOtherHost(host: string, port: number | undefined): void {
  const asked = urlOr(`http://${host}`)
  if (asked === undefined || !isLoopbackHost(asked.hostname))
    throw new GatewayError(
      'forbidden',
      'Without AUTH_TOKEN this gateway answers to localhost only. Set AUTH_TOKEN to be reachable by other names.',
      { code: 'host_not_allowed' },
    )
  // Programs of this machine name the port that they connect to. nginx leaves it out of `$host`, which its clients write.
  if (asked.port === '' && port !== httpPort)
    throw new GatewayError(
      'forbidden',
      'Without AUTH_TOKEN this gateway answers to this machine only, and a Host without the port comes from a proxy: set AUTH_TOKEN, and give clients that key; a program of this machine sends the port, too.',
      { code: 'host_not_allowed' },
    )
}

/** The port of `http:`, which a URL and a `Host` leave out. */
const httpPort = 80

function proxyHeader({ headers }: Request): string | undefined {
  for (const name of headers.keys()) if (proxyHeaders.test(name)) return name
  return undefined
}

function urlOr(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}

function isLoopbackHost(hostname: string): boolean {
  return /^(?:localhost|.+\.localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i.test(hostname)
}

import { timingSafeEqual } from 'node:crypto'
import { anonymous, type Caller, type CallerPolicy } from '../core/caller.ts'
import type { CredentialScope } from '../core/dialect.ts'
import { GatewayError } from '../core/errors.ts'
import { truncate } from '../core/truncate.ts'
import { type ClientKey, digestOf, localCaller } from './client-keys.ts'

export interface AccessOptions {
  /** None accepts any key, from this machine only. */
  keys: readonly ClientKey[]
  /** Of whoever needs no key. */
  policy: CallerPolicy
  /** Browser origins the operator trusts. */
  corsOrigins: readonly string[]
}

/**
 * Who may use a route:
 *
 * - `health`: anybody, by whatever name. It says that the process lives, and nothing else.
 * - `open`: anybody who may speak to this gateway at all. It says nothing about anybody.
 * - `client`: who has the key of the API it belongs to, or any key of a client where it belongs to none.
 * - `operator`: who has `AUTH_TOKEN`.
 */
export type Access = 'health' | 'open' | 'client' | 'operator'

/** What a route asks of whoever calls it. */
export interface Requirement {
  access: Access
  /** Whose key it takes; a route without one belongs to no API. */
  credentials?: CredentialScope | undefined
  /** Id of the dialect that is spoken there. */
  dialect?: string | undefined
}

/**
 * Decides whether a request may use the route it was matched with, and says whose it is.
 *
 * Without a key the gateway serves this machine only: see `refuseOthers`. Keys come in `Authorization: Bearer` or in one of
 * `keyHeaders`, never in the query string. Errors: `unauthorized`, `forbidden`.
 */
export function createAccess(
  options: AccessOptions,
  keyHeaders: readonly string[],
): (request: Request, requirement: Requirement) => Caller {
  const { keys, corsOrigins } = options
  if (keys.length === 0) {
    const local = localCaller(options.policy)
    return (request, { access }) => {
      refuseOthers(request, corsOrigins, access === 'health')
      return local
    }
  }
  return ({ headers }, requirement) => {
    if (requirement.access === 'health' || requirement.access === 'open') return anonymous
    const accepted = keys.filter(({ caller }) => opens(caller, requirement))
    const { caller } = presentedKey(headers, keyHeaders, accepted)
    rejectOtherDialect(caller, requirement)
    return caller
  }
}

function opens({ scope }: Caller, { access, credentials }: Requirement): boolean {
  if (access === 'operator') return scope.includes('operator')
  return credentials ? scope.includes(credentials) : scope.length > 0
}

/**
 * The first key that is one of ours. Clients send keys of other houses along with it: Claude Code has the gateway's as
 * Bearer and one of Anthropic's in `x-api-key`, and others have it the other way round.
 */
function presentedKey(headers: Headers, keyHeaders: readonly string[], accepted: readonly ClientKey[]): ClientKey {
  const bearer = /^bearer\s+(.+)$/i.exec(headers.get('authorization') ?? '')?.[1]
  const others = keyHeaders.map((name) => headers.get(name))
  const presented = [bearer, ...others].filter((key) => typeof key === 'string')
  if (presented.length === 0)
    throw new GatewayError(
      'unauthorized',
      'This gateway needs its key: send it as `Authorization: Bearer <key>` or `x-api-key: <key>`.',
      { code: 'missing_api_key' },
    )
  for (const key of presented.map(digestOf)) {
    const matched = accepted.find(({ digest }) => timingSafeEqual(key, digest))
    if (matched !== undefined) return matched
  }
  const variables = accepted.map(({ variable }) => variable)
  throw new GatewayError(
    'unauthorized',
    `The key is not the one this gateway was given: send the value of ${variables.join(' or ')}.`,
    { code: 'invalid_api_key' },
  )
}

function rejectOtherDialect({ policy }: Caller, { dialect }: Requirement): void {
  if (dialect === undefined || policy.dialects === undefined || policy.dialects.includes(dialect)) return
  throw new GatewayError(
    'forbidden',
    `This key may not be used for ${dialect}, only for ${policy.dialects.join(', ')}.`,
    { code: 'dialect_not_allowed' },
  )
}

/**
 * What proxies, tunnels and content networks add to say who asks: behind one, everybody comes from this machine. Sources:
 * RFC 7239, RFC 9110 (7.6.3), RFC 8586, and what nginx, Envoy, Cloudflare, Akamai, Fastly, Azure, Fly and Tailscale document.
 */
const proxyHeaders =
  /^(?:forwarded|via|cdn-loop|x-real-ip|x-forwarded|(?:x-(?:original-)?)?forwarded-.*|x-original-(?:for|host|proto)|x-envoy-.*|(?:.*-)?client-?ip|.*-connecting-ip|tailscale-.*)$/

/**
 * Refuses whatever may come from elsewhere. A `Host` or `Origin` that is not loopback is a web page trying its luck (DNS
 * rebinding), and a request that came through a proxy may come from anywhere. Errors: `forbidden`.
 */
export function refuseOthers(request: Request, corsOrigins: readonly string[], anyHost: boolean): void {
  for (const name of request.headers.keys())
    if (proxyHeaders.test(name))
      throw new GatewayError(
        'forbidden',
        `Without AUTH_TOKEN this gateway answers to this machine only, and this request came through a proxy (${truncate(name)}): set AUTH_TOKEN, and give clients that key.`,
        { code: 'proxy_not_allowed' },
      )
  if (anyHost) return
  const host = request.headers.get('host')
  if (host !== null && !isLoopbackHost(hostnameOf(`http://${host}`)))
    throw new GatewayError(
      'forbidden',
      'Without AUTH_TOKEN this gateway answers to localhost only. Set AUTH_TOKEN to be reachable by other names.',
      { code: 'host_not_allowed' },
    )
  const origin = request.headers.get('origin')
  if (origin === null || corsOrigins.includes(origin) || isLoopbackHost(hostnameOf(origin))) return
  throw new GatewayError(
    'forbidden',
    'Without AUTH_TOKEN this gateway refuses web pages of other origins. Set AUTH_TOKEN, or name the origin in CORS_ORIGINS.',
    { code: 'origin_not_allowed' },
  )
}

function hostnameOf(url: string): string {
  try {
    return new URL(url).hostname
  } catch {
    return ''
  }
}

function isLoopbackHost(hostname: string): boolean {
  return /^(?:localhost|.+\.localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i.test(hostname)
}

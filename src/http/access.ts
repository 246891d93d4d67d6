import { timingSafeEqual } from 'node:crypto'
import { GatewayError } from '../core/errors.ts'

export interface AccessOptions {
  /** Key for the OpenAI surface and everything that is nobody's; `undefined` accepts any key, from this machine only. */
  openaiKey: string | undefined
  anthropicKey: string | undefined
  /** Browser origins the operator trusts. */
  corsOrigins: readonly string[]
}

export type Surface = 'openai' | 'anthropic'

/** Pages that need no key: they say nothing about anybody. */
const openPaths = /^\/(?:healthz|readyz|openapi\.json|docs(?:\/.*)?|favicon\.ico)?$/

/**
 * Decides whether a request may come in.
 *
 * Without a key the gateway serves this machine only: a `Host` or `Origin` that is not loopback is a web page
 * trying its luck (DNS rebinding) and is refused. Keys come in `Authorization: Bearer` or `x-api-key`, never in
 * the query string. Errors: `unauthorized`, `forbidden`.
 */
export function createAccess(options: AccessOptions): (request: Request, path: string, surface: Surface) => void {
  const digestOf = (key: string | undefined) => (key === undefined ? undefined : digest(key))
  const digests = { openai: digestOf(options.openaiKey), anthropic: digestOf(options.anthropicKey) }
  const keyless = options.openaiKey === undefined
  return (request, path, surface) => {
    if (keyless) localOnly(request, options.corsOrigins)
    const expected = digests[surface]
    if (!expected || request.method === 'HEAD' || request.method === 'OPTIONS' || openPaths.test(path)) return
    const given = presentedKeys(request.headers)
    if (given.length === 0)
      throw new GatewayError(
        'unauthorized',
        'This gateway needs its key: send it as `Authorization: Bearer <key>` or `x-api-key: <key>`.',
        { code: 'missing_api_key' },
      )
    if (!given.some((key) => timingSafeEqual(digest(key), expected)))
      throw new GatewayError(
        'unauthorized',
        `The key is not the one this gateway was given (${variableOf[surface]}).`,
        {
          code: 'invalid_api_key',
        },
      )
  }
}

const variableOf = { openai: 'AUTH_TOKEN', anthropic: 'ANTHROPIC_API_KEY or AUTH_TOKEN' } satisfies Record<
  Surface,
  string
>

/** Some clients send a key of another house along with ours. */
function presentedKeys(headers: Headers): string[] {
  const bearer = /^bearer\s+(.+)$/i.exec(headers.get('authorization') ?? '')?.[1]
  return [bearer, headers.get('x-api-key')].filter((key) => typeof key === 'string')
}

/** Equal lengths for the constant-time compare. */
function digest(key: string): Uint8Array {
  return Bun.CryptoHasher.hash('sha256', key)
}

function localOnly(request: Request, corsOrigins: readonly string[]): void {
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

export function isLoopbackHost(hostname: string): boolean {
  return /^(?:localhost|.+\.localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i.test(hostname)
}

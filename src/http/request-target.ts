import { GatewayError } from '../core/errors.ts'

/** The host of every URL, so that the client's `Host` header cannot change where a path begins. */
const origin = 'http://gateway.internal'

/**
 * Parses the target of a request before anything else does, and writes the result to `request.url`, so that the router,
 * the log and the handlers use the same path. Returns the path, without the query.
 *
 * Bun builds a URL from the `Host` and the target, resolves dot segments, and passes on the bare target if the `Host`
 * is invalid; a router that searches for the first slash after the host would then find another path. Here, every path
 * begins with one slash and has no double slashes (base URLs that end in a slash cause them), dot segments are
 * resolved, also encoded ones, backslashes are slashes, and fragments are removed. An encoded slash is no slash, and
 * the target of a `CONNECT` (`example:443`) is a path that no route has.
 */
export function readTarget(request: Request): string {
  const ordinaryPath = ordinary.exec(request.url)?.[1]
  const { path, search } = ordinaryPath === undefined ? parsed(request.url) : { path: ordinaryPath, search: '' }
  Object.defineProperty(request, 'url', { value: origin + path + search, configurable: true })
  return path
}

/** A path of plain words, which every server reads alike. */
const ordinary = /^(?:https?:\/\/[^/?#]*)?((?:\/[\w-]+)+)$/i

function parsed(url: string): { path: string; search: string } {
  const target = url.replace(/^https?:\/\/[^/?#]*/i, '')
  const { pathname, search } = new URL(target.startsWith('/') ? origin + target : `${origin}/${target}`)
  return { path: decodable(pathname.replace(/\/{2,}/g, '/')), search }
}

/**
 * Takes a parameter out of the query, so that whatever reads `request.url` afterwards does not see it. Returns its value,
 * or `undefined` if it is not there.
 */
export function takeParameter(request: Request, name: string): string | undefined {
  const start = request.url.indexOf('?')
  if (start < 0) return undefined
  const query = new URLSearchParams(request.url.slice(start))
  const value = query.get(name)
  if (value === null) return undefined
  query.delete(name)
  const rest = query.toString()
  Object.defineProperty(request, 'url', { value: request.url.slice(0, start) + (rest === '' ? '' : `?${rest}`) })
  return value
}

/** The router decodes what is between slashes. A percent sign that encodes nothing is kept as text. */
function decodable(path: string): string {
  if (!path.includes('%')) return path
  try {
    decodeURIComponent(path)
    return path
  } catch {
    return path.replaceAll('%', '%25')
  }
}

/**
 * A host name, an IPv4 address or an IPv6 address in brackets, with an optional port. Bun joins repeated lines by a
 * comma. RFC 9112 (3.2) allows an empty value, and HTTP/1.0 a missing one; Bun itself refuses HTTP/1.1 without one.
 */
const usableHost = /^(?:[\w.-]*|\[[\da-f:.]+(?:%[\w.-]+)?\])(?::\d{0,5})?$/i

/**
 * Checks the `Host` header. The host of a target such as `GET http://other/` cannot be checked, because Bun keeps only
 * its path. Browsers send such targets only to proxies, with the same host in the `Host` header.
 *
 * Errors: `invalid-request` for a `Host` that is repeated or invalid, because proxies and servers may read it
 * differently.
 */
export function checkHost(headers: Headers): void {
  if (usableHost.test(headers.get('host') ?? '')) return
  throw new GatewayError('invalid-request', 'Host: expected one host name or IP address, with or without a port.', {
    code: 'invalid_host',
    param: 'host',
  })
}

import { GatewayError } from '../core/errors.ts'

/** Stands for this gateway in every URL: the `Host` a client sends has no say in where a path begins. */
const origin = 'http://gateway.internal'

/**
 * Reads what a request asks for, once and before anybody else, and writes it back as `request.url`: the router, the log
 * and the handlers then go by one reading. Returns the path, without the query.
 *
 * Bun makes a URL of the `Host` and the target, resolves dot segments in it, and gives the bare target where the `Host`
 * is of no use; a router that looks for the first slash behind a host finds another path then. Here every path begins
 * with one slash and has none doubled (base URLs that end in a slash leave them behind), dot segments are resolved
 * (encoded ones too), backslashes are slashes, and fragments are gone. An encoded slash is no slash, and an address to
 * connect to (`CONNECT example:443`) is a path that leads nowhere.
 */
export function readTarget(request: Request): string {
  const target = request.url.replace(/^https?:\/\/[^/?#]*/i, '')
  const { pathname, search } = new URL(target.startsWith('/') ? origin + target : `${origin}/${target}`)
  const path = decodable(pathname.replace(/\/{2,}/g, '/'))
  Object.defineProperty(request, 'url', { value: origin + path + search })
  return path
}

/** The router decodes what stands between slashes; percent signs that do not encode text are text themselves. */
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
 * A host name, an IPv4 address or an IPv6 one in brackets, and a port: what clients name a server by. Bun joins doubled
 * lines by a comma. RFC 9112 (3.2) allows an empty one, and HTTP/1.0 none; Bun itself refuses HTTP/1.1 without one.
 */
const usableHost = /^(?:[\w.-]*|\[[\da-f:.]+(?:%[\w.-]+)?\])(?::\d{0,5})?$/i

/** Errors: `invalid-request` for a `Host` that is doubled or names no host, which proxies read one way and servers another. */
export function checkHost(headers: Headers): void {
  if (usableHost.test(headers.get('host') ?? '')) return
  throw new GatewayError('invalid-request', 'Host: expected one host name or IP address, with or without a port.', {
    code: 'invalid_host',
    param: 'host',
  })
}

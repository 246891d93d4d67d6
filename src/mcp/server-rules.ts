/**
 * The rules for which servers may be used. An entry is one of:
 *
 * - `https://mcp.example.com/mcp`: this address, whatever its query. With no path: every path of this host.
 * - `mcp.example.com`: every https address of this host at port 443; `mcp.example.com:8443`: at this port, https or
 *   http.
 * - `*`: every https address whose host has public addresses only.
 */
export type ServerRules = readonly string[]

/** How a server is allowed. `listed`: by its name, so its addresses may be private. `public`: by `*`. */
export type Admission = 'listed' | 'public'

export function admissionOf(url: URL, rules: ServerRules): Admission | undefined {
  if (url.username !== '' || url.password !== '') return undefined
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return undefined
  if (rules.some((entry) => entry !== '*' && names(entry, url))) return 'listed'
  return rules.includes('*') && url.protocol === 'https:' ? 'public' : undefined
}

function names(entry: string, url: URL): boolean {
  if (entry.includes('://')) {
    if (!URL.canParse(entry)) return false
    const { origin, pathname } = new URL(entry)
    return origin === url.origin && (pathname === '/' || withoutSlash(pathname) === withoutSlash(url.pathname))
  }
  const host = entry.toLowerCase()
  return host === `${url.hostname}:${url.port || defaultPort(url)}` || (host === url.host && url.protocol === 'https:')
}

function defaultPort({ protocol }: URL): string {
  return protocol === 'https:' ? '443' : '80'
}

function withoutSlash(path: string): string {
  return path.replace(/\/+$/, '')
}

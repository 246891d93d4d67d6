const proxyVariables = ['ALL_PROXY', 'HTTPS_PROXY', 'HTTP_PROXY'].flatMap((name) => [name, name.toLowerCase()])

/**
 * What is wrong with the proxy variables; `undefined` if they can be used.
 *
 * Bun ignores a SOCKS proxy in ALL_PROXY and connects directly, which would reveal the address that the operator wants
 * to hide. A SOCKS proxy in HTTPS_PROXY or HTTP_PROXY makes every call fail.
 */
export function proxyVariableProblem(env: Record<string, string | undefined>): string | undefined {
  const socks = proxyVariables.find((name) => /^socks/i.test(env[name]?.trim() ?? ''))
  if (socks === undefined) return undefined
  return `environment variable ${socks} names a SOCKS proxy, which cannot be used and would be bypassed; name an http:// proxy or unset it`
}

/** Whether any proxy is configured, so that some requests may go through it. */
export function isProxied(env: Record<string, string | undefined>): boolean {
  return proxyVariables.some((name) => Boolean(env[name]?.trim()))
}

/** Whether Bun and most other programs read their proxy settings from a variable of this name. */
export function isProxyVariable(name: string): boolean {
  return [...proxyVariables, 'NO_PROXY', 'no_proxy'].includes(name)
}

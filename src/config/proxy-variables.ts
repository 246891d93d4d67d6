const proxyVariables = ['ALL_PROXY', 'HTTPS_PROXY', 'HTTP_PROXY'].flatMap((name) => [name, name.toLowerCase()])

/**
 * What is wrong with the proxy variables, `undefined` where nothing is.
 *
 * Bun ignores a SOCKS proxy in ALL_PROXY and goes direct, which would show the address the operator wants hidden;
 * in the other two it fails every call.
 */
export function proxyVariableProblem(env: Record<string, string | undefined>): string | undefined {
  const socks = proxyVariables.find((name) => /^socks/i.test(env[name]?.trim() ?? ''))
  if (socks === undefined) return undefined
  return `environment variable ${socks} names a SOCKS proxy, which cannot be used and would be bypassed; name an http:// proxy or unset it`
}

/** Whether some of the traffic may have to go through a proxy. */
export function isProxied(env: Record<string, string | undefined>): boolean {
  return proxyVariables.some((name) => Boolean(env[name]?.trim()))
}

/** Whether Bun's own requests, and those of most programs, go by a variable of this name. */
export function isProxyVariable(name: string): boolean {
  return [...proxyVariables, 'NO_PROXY', 'no_proxy'].includes(name)
}

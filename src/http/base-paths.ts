/** Base URLs people really paste, each in front of a path like `/models`. The first one is the documented one. */
export const basePaths = [
  '/v1',
  '',
  '/v1/v1',
  '/openai',
  '/openai/v1',
  '/anthropic',
  '/anthropic/v1',
  '/anthropic/v1/v1',
]

/** The documented spelling is the only one the documentation page lists. */
export function isDocumented(basePath: string): boolean {
  return basePath === '/v1'
}

/**
 * Takes doubled slashes out of the path of a request: a base URL that ends in one leaves them behind. The request
 * itself is changed, before anybody has read its URL, so that keys, routes and the log all go by the same path.
 */
export function joinSlashes(request: Request): void {
  const { url } = request
  if (!url.includes('//', schemeLength)) return
  const [, host = '', path = '', query = ''] = /^(\w+:\/\/[^/]*)([^?]*)(.*)$/s.exec(url) ?? []
  Object.defineProperty(request, 'url', { value: host + path.replace(/\/{2,}/g, '/') + query })
}

const schemeLength = 'https://'.length

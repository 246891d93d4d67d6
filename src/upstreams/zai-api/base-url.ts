/** The services one may hold a key of. A key works on its own service alone. */
const bases: Record<string, string> = {
  general: 'https://api.z.ai/api/paas/v4',
  coding: 'https://api.z.ai/api/coding/paas/v4',
  bigmodel: 'https://open.bigmodel.cn/api/paas/v4',
  'bigmodel-coding': 'https://open.bigmodel.cn/api/coding/paas/v4',
}

/** The address a name of a service stands for, or an http(s) address that ends in `/v4`; else `undefined`. */
export function apiBase(value: string): string | undefined {
  const text = value.trim().replace(/\/+$/, '')
  const named = Object.hasOwn(bases, text.toLowerCase()) ? bases[text.toLowerCase()] : undefined
  if (named !== undefined || !URL.canParse(text)) return named
  const { protocol, pathname, search, hash, username, password } = new URL(text)
  const plain = /^https?:$/.test(protocol) && `${search}${hash}${username}${password}` === ''
  return plain && pathname.endsWith('/v4') ? text : undefined
}

/** The engine of the built-in web search: each service documents one the other refuses. */
export function searchEngineOf(baseUrl: string): string {
  return new URL(baseUrl).hostname.endsWith('bigmodel.cn') ? 'search_std' : 'search_pro_jina'
}

/** Keys of the coding plan work there alone. */
export function isCodingPlan(baseUrl: string): boolean {
  return new URL(baseUrl).pathname.includes('/coding/')
}

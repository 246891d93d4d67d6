import { type ApiService, apiServices } from '../../config/api-services.ts'

/** A key works only on its own service. */
const bases: Record<ApiService, string> = {
  general: 'https://api.z.ai/api/paas/v4',
  coding: 'https://api.z.ai/api/coding/paas/v4',
  bigmodel: 'https://open.bigmodel.cn/api/paas/v4',
  'bigmodel-coding': 'https://open.bigmodel.cn/api/coding/paas/v4',
}

/** The base URL for the name of a service, or for an http(s) URL that ends in `/v4`; otherwise `undefined`. */
export function apiBase(value: string): string | undefined {
  const text = value.trim().replace(/\/+$/, '')
  const service = apiServices.find((name) => name === text.toLowerCase())
  if (service !== undefined) return bases[service]
  if (!URL.canParse(text)) return undefined
  const { protocol, pathname, search, hash, username, password } = new URL(text)
  const plain = /^https?:$/.test(protocol) && `${search}${hash}${username}${password}` === ''
  return plain && pathname.endsWith('/v4') ? text : undefined
}

/** The engine of the built-in web search: each service documents one that the other one rejects. */
export function searchEngineOf(baseUrl: string): string {
  return new URL(baseUrl).hostname.endsWith('bigmodel.cn') ? 'search_std' : 'search_pro_jina'
}

/** Whether the URL is that of a coding plan; its keys work only there. */
export function isCodingPlan(baseUrl: string): boolean {
  return new URL(baseUrl).pathname.includes('/coding/')
}

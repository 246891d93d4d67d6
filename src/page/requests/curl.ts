import type { CapturedBody } from '../../admin/schema/requests.ts'
import { root } from '../router.ts'
import { quoted } from '../try/code.ts'

/** Belong to the connection, or are made anew by curl. */
const leftOut =
  /^(?:host|connection|content-length|accept-encoding|transfer-encoding|user-agent|authorization|x-api-key|cookie|origin|referer|sec-.*|x-stainless-.*|priority|traceparent)$/i

/** The request of a client as a command; the key is a variable. */
export function curlOf({ method = 'POST', url = '/', headers, chunks }: CapturedBody): string {
  const path = url.replace(/^https?:\/\/[^/]+/, '')
  const body = chunks.map(({ text }) => text).join('')
  const keyHeader = headers.some(([name]) => name.toLowerCase() === 'x-api-key')
    ? 'x-api-key: $ZAI2API_KEY'
    : 'authorization: Bearer $ZAI2API_KEY'
  return [
    `curl ${quoted(location.origin + root.replace(/\/$/, '') + path)}`,
    ...(method === 'POST' ? [] : [`-X ${method}`]),
    `-H "${keyHeader}"`,
    ...headers.filter(([name]) => !leftOut.test(name)).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
    ...(body === '' ? [] : [`--data-raw ${quoted(body)}`]),
  ].join(' \\\n  ')
}

import type { CapturedBody } from '../../admin/schema/requests.ts'
import { quoted } from '../try/code.ts'
import { bearer } from '../try/dialect.ts'
import { tryDialects } from '../try/dialects.ts'

const key = '$ZAI2API_KEY'
/** The headers in which the clients of some APIs send their key, in place of `authorization`. */
const keyHeaders = tryDialects.map(({ keyHeader }) => keyHeader(key)).filter(([name]) => name !== 'authorization')

/** Headers that belong to the connection, or that curl makes anew. */
const leftOut =
  /^(?:host|connection|content-length|accept-encoding|transfer-encoding|user-agent|authorization|cookie|origin|referer|sec-.*|x-stainless-.*|priority|traceparent)$/i

/** The request of a client to the gateway at `gatewayUrl` as a command; the key is a variable. */
export function curlOf({ method = 'POST', url = '/', headers, chunks }: CapturedBody, gatewayUrl: string): string {
  const path = url.replace(/^https?:\/\/[^/]+/, '')
  const body = chunks.map(({ text }) => text).join('')
  const sent = new Set(headers.map(([name]) => name.toLowerCase()))
  const keyHeader = keyHeaders.find(([name]) => sent.has(name)) ?? bearer(key)
  return [
    `curl ${quoted(gatewayUrl.replace(/\/$/, '') + path)}`,
    ...(method === 'POST' ? [] : [`-X ${method}`]),
    `-H "${keyHeader.join(': ')}"`,
    ...headers
      .filter(([name]) => !leftOut.test(name) && !keyHeaders.some(([other]) => other === name.toLowerCase()))
      .map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
    ...(body === '' ? [] : [`--data-raw ${quoted(body)}`]),
  ].join(' \\\n  ')
}

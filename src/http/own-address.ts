/**
 * The URL by which the caller reached the gateway. `x-forwarded-proto` changes only the URLs that the caller is told.
 * A `Host` that is missing, empty or no host of a URL names no address: it is `listening` then, `http://127.0.0.1:8080`.
 */
export function addressOf({ headers, url }: Request, listening = new URL(url).origin): string {
  const proto = /^https$/i.test(headers.get('x-forwarded-proto') ?? '') ? 'https' : 'http'
  const address = `${proto}://${headers.get('host') ?? ''}`
  return URL.canParse(address) ? address : listening
}

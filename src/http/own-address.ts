/**
 * The URL by which the caller reached the gateway. `x-forwarded-proto` changes only the URLs that the caller is told.
 */
export function addressOf({ headers, url }: Request): string {
  const host = headers.get('host') ?? new URL(url).host
  const proto = /^https$/i.test(headers.get('x-forwarded-proto') ?? '') ? 'https' : 'http'
  return `${proto}://${host}`
}

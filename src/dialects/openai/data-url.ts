import { type Fields, textOr } from './fields.ts'

/** `data:image/png;charset=…;base64,AAAA`; searched, not matched, because the data may be megabytes. */
export function dataOf(url: string): { type: 'base64'; mediaType: string; data: string } | undefined {
  const comma = url.indexOf(',')
  if (!url.startsWith('data:') || comma < 0) return undefined
  const [mediaType, ...attributes] = url.slice('data:'.length, comma).split(';')
  if (!mediaType || attributes.at(-1) !== 'base64') return undefined
  return { type: 'base64', mediaType, data: url.slice(comma + 1) }
}

export function isRemote(url: string): boolean {
  return /^https?:\/\//i.test(url)
}

/** The `source` of a block of Messages, as a URL; empty where it holds neither data nor an address. */
export function sourceUrl({ type, url, media_type, data }: Fields): string {
  return type === 'base64' ? `data:${textOr(media_type)};base64,${textOr(data)}` : textOr(url)
}

/** `undefined` when it is not base64. */
export function bytesOf(base64: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))
  } catch {
    return undefined
  }
}

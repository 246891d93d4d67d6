import { type Fields, textOr } from './json-fields.ts'

export function isHttpUrl(url: string): boolean {
  return /^https?:\/\//i.test(url)
}

/** The `source` of a block of Messages, as a URL; empty if it holds neither data nor an address. */
export function urlOfSource({ type, url, media_type, data }: Fields): string {
  return type === 'base64' ? `data:${textOr(media_type)};base64,${textOr(data)}` : textOr(url)
}

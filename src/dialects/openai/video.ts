import { dataOf } from '../../core/data-url.ts'
import type { VideoPart } from '../../core/request.ts'
import { type Fields, fieldsOf, textOr } from './json-fields.ts'
import { isHttpUrl, urlOfSource } from './media-source.ts'

/** The types of a video part: Z.AI's own, that of servers which speak Responses, and that of Messages. */
export const videoTypes = ['video_url', 'input_video', 'video'] as const

/**
 * A video by its http(s) address or as a base64 data URL: a text or an object with one, or a `source`; `undefined` for
 * anything else.
 */
export function videoPart({ video_url, video, url: plain, source }: Fields): VideoPart | undefined {
  const url = [video_url, fieldsOf(video_url).url, video, fieldsOf(video).url, plain, urlOfSource(fieldsOf(source))]
    .map((found) => textOr(found))
    .find((found) => found !== '')
  if (url === undefined) return undefined
  const data = dataOf(url)
  if (data) return { type: 'video', source: data }
  return isHttpUrl(url) ? { type: 'video', source: { type: 'url', url } } : undefined
}

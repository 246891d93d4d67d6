import type { FaceName } from '../../admin/schema/requests.ts'
import type { TextName } from '../i18n.ts'

/** In the order in which a request passes them. */
export const faceNames = [
  'client-request',
  'upstream-request',
  'upstream-reply',
  'client-reply',
] as const satisfies FaceName[]

export const titles: Record<FaceName, TextName> = {
  'client-request': 'clientAsked',
  'upstream-request': 'weSent',
  'upstream-reply': 'upstreamAnswered',
  'client-reply': 'clientGot',
}

/** The path of one captured message in the admin API. */
export const pathOf = (id: string, face: FaceName) => `requests/${encodeURIComponent(id)}/faces/${face}`

import type { BodyName } from '../../admin/schema/requests.ts'
import type { TextName } from '../i18n.ts'

/** In the order in which a request passes them. */
export const bodyNames = [
  'client-request',
  'upstream-request',
  'upstream-reply',
  'client-reply',
] as const satisfies BodyName[]

export const titles: Record<BodyName, TextName> = {
  'client-request': 'clientAsked',
  'upstream-request': 'weSent',
  'upstream-reply': 'upstreamAnswered',
  'client-reply': 'clientGot',
}

/** The path of one captured body in the admin API. */
export const pathOf = (id: string, name: BodyName) => `requests/${encodeURIComponent(id)}/bodies/${name}`

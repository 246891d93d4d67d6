import type { StoredResponse, StoredResponseJson } from '../core/stored-conversation.ts'

/** A reply as it is stored, read again. */
export function responseOf(id: string, { reply, input }: StoredResponseJson): StoredResponse {
  return { id, reply: JSON.parse(reply), input: JSON.parse(input) }
}

export function jsonOf({ reply, input }: StoredResponse): StoredResponseJson {
  return { reply: JSON.stringify(reply), input: JSON.stringify(input) }
}

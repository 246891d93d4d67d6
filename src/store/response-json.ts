import type { StoredResponse, StoredResponseJson } from '../core/stored-conversation.ts'

export function jsonOf({ reply, input }: StoredResponse): StoredResponseJson {
  return { reply: JSON.stringify(reply), input: JSON.stringify(input) }
}

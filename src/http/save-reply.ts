import { collector } from '../core/collect.ts'
import type { Reply } from '../core/events.ts'
import type { Encoder, ReplyHead } from '../core/reply-encoder.ts'
import type { StoredConversation } from '../core/stored-conversation.ts'
import { ignoreUnavailable, type ResponseStore } from '../store/responses.ts'
import type { RecentReplies } from './recent-replies.ts'

export interface ReplySaverOptions {
  /** Absent where clients cannot refer to earlier replies; then nothing is saved. */
  storedConversation: StoredConversation<unknown> | undefined
  head: ReplyHead
  /** What `decode` of the dialect made of the request. */
  decodedOptions: unknown
  /** Id of the caller's key. */
  owner: string
  store: Pick<ResponseStore, 'change' | 'put'>
  recentReplies: RecentReplies | undefined
}

export interface ReplySaver {
  /** Keeps a complete reply wherever the client may refer to it later. */
  save(reply: Reply): void
  /** Settles when the store has the reply; `undefined` while nothing is being stored. */
  storing(): Promise<void> | undefined
  /** Whether the store has been given the reply. */
  isStored(): boolean
}

const savesNothing: ReplySaver = { save() {}, storing: () => undefined, isStored: () => false }

export function replySaver(options: ReplySaverOptions): ReplySaver {
  const { storedConversation, head, decodedOptions, owner, store, recentReplies } = options
  if (storedConversation === undefined) return savesNothing
  let storing: Promise<void> | undefined
  let isStored = false

  return {
    save(reply) {
      const added = storedConversation.conversations?.additions(head, reply, decodedOptions)
      const adding =
        added && store.change(owner, added.id, (kept) => ({ ...kept, input: [...kept.input, ...added.items] }))
      if (adding) storing = finished(adding)
      const isWanted = storedConversation.isWanted(decodedOptions)
      if (!isWanted && !recentReplies) return
      const kept = storedConversation.save(head, reply, decodedOptions)
      if (!kept) return
      recentReplies?.save(kept)
      if (!isWanted) return
      isStored = true
      storing = finished(store.put(owner, kept), adding)
    },
    storing: () => storing,
    isStored: () => isStored,
  }
}

/** The reply is made, and is sent also where it cannot be stored. */
async function finished(...writes: (Promise<unknown> | undefined)[]): Promise<void> {
  await Promise.all(writes.map((write) => write?.catch(ignoreUnavailable)))
}

/** An encoder that passes the whole reply to `save` before the last event is sent. */
export function savingEncoder(encoder: Encoder, save: (reply: Reply) => void): Encoder {
  const whole = collector()
  return {
    push(event, out) {
      whole.push(event)
      if (event.type === 'message-end') {
        const reply = whole.result()
        if (reply && !(reply instanceof Error)) save(reply)
      }
      encoder.push(event, out)
    },
    end: (out) => encoder.end(out),
    textWriter: () => encoder.textWriter?.(),
  }
}

import type { ChatRequest, UserPart } from '../core/request.ts'
import type { Model } from '../core/upstream.ts'
import { mostImageTokens, typicalImageTokens } from './image-tokens.ts'

/** What the count of a prompt does not know. */
export interface Uncounted {
  /** All of it is text, and nothing is added to it: the upstream's own count can be compared with ours. */
  isComparable: boolean
  /** A file or video may fill the context window, because nobody has seen it yet. */
  hasUnseenFile: boolean
  /** Results of a web search are added by the upstream, as long as the context window allows. */
  mayGrow: boolean
  /** Tokens that images by URL may have beyond those that are counted. */
  imageTokens: number
}

/** What is uncertain in the prompt that `model` gets. Parts that it cannot read are replaced by a few words. */
export function uncounted(
  { messages, search }: ChatRequest,
  model: Pick<Model, 'vision' | 'video' | 'files'>,
): Uncounted {
  const found: Uncounted = { isComparable: !search, hasUnseenFile: false, mayGrow: search, imageTokens: 0 }
  for (const message of messages)
    if (message.role === 'user' || message.role === 'tool') for (const part of message.parts) add(part)
  return found

  function add(part: UserPart): void {
    if (part.type === 'text') return
    found.isComparable = false
    if (part.type === 'video') found.hasUnseenFile ||= model.video === true
    else if (part.source.type === 'base64') return
    else if (part.type === 'document') found.hasUnseenFile ||= model.files === true
    else if (model.vision) found.imageTokens += mostImageTokens - typicalImageTokens
  }
}

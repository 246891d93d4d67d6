import type { ChatRequest, UserPart } from '../core/request.ts'
import type { Model } from '../core/upstream.ts'
import { mostImageTokens, typicalImageTokens } from './image-tokens.ts'

/** The parts of a prompt that could not be counted. */
export interface Uncounted {
  /**
   * The prompt is text only and nothing is added to it, so the upstream's own count can be compared with the gateway's.
   */
  isComparable: boolean
  /** The prompt has a file or video of unknown size, which may fill the context window. */
  hasUnseenFile: boolean
  /** The upstream adds results of a web search, as many as the context window allows. */
  mayGrow: boolean
  /** The most tokens that images given by URL may have beyond those that are counted. */
  imageTokens: number
}

/**
 * Finds the uncertain parts of the prompt for `model`. Parts that the model cannot read do not count, because they are
 * replaced by a few words.
 */
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

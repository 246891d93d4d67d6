import { rowSetting } from '../../config/upstream-rows.ts'
import type { Upstream } from '../../core/upstream.ts'
import { type ChatCompletionsDeps, type ChatCompletionsOptions, chatCompletions } from '../chat-completions/index.ts'
import { compatibleProfile, type ReasoningStyle } from './profile.ts'

export interface CompatibleUpstreamOptions extends Omit<ChatCompletionsOptions, 'profile' | 'keys' | 'keysSetting'> {
  /** Used in turn; empty for a server that needs none. */
  keys: readonly string[]
  reasoning: ReasoningStyle
}

/** A server that the user chose, under its name in the configuration. */
export function openaiCompatible(options: CompatibleUpstreamOptions, deps: ChatCompletionsDeps): Upstream {
  const keys = options.keys.length === 0 ? [''] : options.keys
  const keysSetting = rowSetting('keys', options.id)
  return chatCompletions({ ...options, keys, keysSetting, profile: compatibleProfile(options) }, deps)
}

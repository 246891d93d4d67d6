import type { Upstream } from '../../core/upstream.ts'
import { type ChatCompletionsDeps, type ChatCompletionsOptions, chatCompletions } from '../chat-completions/index.ts'
import { type ErrorSettings, usualSettings } from './errors.ts'
import { zaiApiProfile } from './profile.ts'

export { apiBase } from './base-url.ts'

export interface ZaiApiOptions extends Omit<ChatCompletionsOptions, 'id' | 'profile' | 'keysSetting'> {
  /** Default: `zai-api`. */
  id?: string
  /** Names of the settings for keys and base URL, for errors. */
  names?: ErrorSettings
}

/** Z.AI's official API. */
export function zaiApi(options: ZaiApiOptions, deps: ChatCompletionsDeps): Upstream {
  const { id = 'zai-api', baseUrl, names = usualSettings } = options
  return chatCompletions({ ...options, id, keysSetting: names.keys, profile: zaiApiProfile(baseUrl, names) }, deps)
}

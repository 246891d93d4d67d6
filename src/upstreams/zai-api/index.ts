import type { Upstream } from '../../core/upstream.ts'
import { type ChatCompletionsDeps, type ChatCompletionsOptions, chatCompletions } from '../chat-completions/index.ts'
import type { SettingNames } from './errors.ts'
import { zaiApiProfile } from './profile.ts'

export { apiBase } from './base-url.ts'

export interface ZaiApiOptions extends Omit<ChatCompletionsOptions, 'id' | 'profile'> {
  /** Default: `zai-api`. */
  id?: string
  /** Names of the settings for keys and base URL, for errors. */
  names?: SettingNames
}

/** Z.AI's official API. */
export function zaiApi(options: ZaiApiOptions, deps: ChatCompletionsDeps): Upstream {
  const { id = 'zai-api', baseUrl, names } = options
  return chatCompletions({ ...options, id, profile: zaiApiProfile(baseUrl, names) }, deps)
}

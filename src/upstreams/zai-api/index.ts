import type { Upstream } from '../../core/upstream.ts'
import type { ModelTable } from '../../models/table.ts'
import { type ChatCompletionsDeps, chatCompletions } from '../chat-completions/index.ts'
import type { SettingNames } from './errors.ts'
import { zaiApiProfile } from './profile.ts'

export { apiBase } from './base-url.ts'

export interface ZaiApiOptions {
  /** Default: `zai-api`. */
  id?: string
  /** Used in turn. */
  keys: readonly string[]
  /** Ends in `/v4`, without a slash behind it. */
  baseUrl: string
  /** Where keys and address are set, for errors. */
  names?: SettingNames
  models?: readonly string[] | undefined
  table?: ModelTable
  idleMs: number
  headersTimeoutMs: number
  modelsTtlMs: number
  scanLimit: number
  tools: boolean
}

/** The vendor's official API. */
export function zaiApi(options: ZaiApiOptions, deps: ChatCompletionsDeps): Upstream {
  const { id = 'zai-api', baseUrl, names } = options
  return chatCompletions({ ...options, id, profile: zaiApiProfile(baseUrl, names) }, deps)
}

import { compatibleRow } from '../../config/upstream-rows.ts'
import { callSettings } from '../chat-completions/call-settings.ts'
import { defineUpstream, type UpstreamDeps } from '../upstream-kind.ts'
import { openaiCompatible } from './index.ts'

export const openaiCompatibleKind = defineUpstream({
  id: 'openai-compatible',
  rows: {
    schema: compatibleRow,
    settings: ({ id, base, keys = [], models, reasoning = 'template' }, config) => ({
      id,
      baseUrl: base.replace(/\/+$/, ''),
      keys,
      models,
      reasoning,
      ...callSettings(config),
    }),
  },
  create: (settings, { table, ...deps }: UpstreamDeps<string>) => openaiCompatible({ ...settings, table }, deps),
})

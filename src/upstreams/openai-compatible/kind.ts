import { Type } from '@sinclair/typebox'
import { rowFields, rowSchema } from '../../config/upstream-rows.ts'
import { optionsFromConfig } from '../chat-completions/options-from-config.ts'
import { defineUpstream, type UpstreamDeps } from '../upstream-kind.ts'
import { examineServer } from './doctor.ts'
import { openaiCompatible } from './index.ts'
import { reasoningStyles } from './profile.ts'

const row = rowSchema('openai-compatible', {
  base: Type.String({
    pattern: '^https?://[^/@\\s]+(/[^?#\\s]*)?$',
    description: 'an http(s) URL in front of /chat/completions, without user name, such as http://127.0.0.1:8000/v1',
  }),
  /** Absent if the server needs no key. */
  keys: Type.Optional(rowFields.keys),
  /** The models to offer. Default: all models that the server lists. */
  models: Type.Optional(rowFields.models),
  reasoning: Type.Optional(
    Type.Union(
      reasoningStyles.map((style) => Type.Literal(style)),
      { description: 'one of template, effort and none' },
    ),
  ),
})

/** A server of the user's choice that speaks OpenAI's Chat Completions. */
export const openaiCompatibleKind = defineUpstream({
  id: 'openai-compatible',
  title: 'Server of your own',
  rows: {
    schema: row,
    settings: ({ id, base, keys = [], models, reasoning = 'template' }, config) => ({
      id,
      baseUrl: base.replace(/\/+$/, ''),
      keys,
      models,
      reasoning,
      ...optionsFromConfig(config),
    }),
  },
  baseUrl: ({ baseUrl }) => baseUrl,
  paidIn: () => 'dollars by own prices',
  create: (settings, { table, ...deps }: UpstreamDeps<string>) => openaiCompatible({ ...settings, table }, deps),
  doctor: examineServer,
})

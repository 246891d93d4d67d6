import { Type } from '@sinclair/typebox'
import { described, rowFields, rowSchema } from '../../config/upstream-rows.ts'
import { optionsFromConfig } from '../chat-completions/options-from-config.ts'
import { defineUpstream, type UpstreamDeps } from '../upstream-kind.ts'
import { examineServer } from './doctor.ts'
import { openaiCompatible } from './index.ts'
import { type ReasoningStyle, reasoningStyles } from './profile.ts'

const usualReasoning: ReasoningStyle = 'template'

const row = rowSchema('openai-compatible', {
  base: described(
    Type.String({
      pattern: '^https?://[^/@\\s]+(/[^?#\\s]*)?$',
      description: 'an http(s) URL in front of /chat/completions, without user name, such as http://127.0.0.1:8000/v1',
    }),
    'Address of the server. The keys go to it alone.',
  ),
  keys: Type.Optional(described(rowFields.keys, 'Keys, used in turn; none for a server that asks for none.')),
  models: Type.Optional(rowFields.models),
  reasoning: Type.Optional(
    described(
      Type.Union(
        reasoningStyles.map((style) => Type.Literal(style)),
        { description: 'one of template, effort and none' },
      ),
      'How reasoning is switched: template for vLLM, SGLang and llama.cpp, effort for OpenRouter, none where the server decides.',
      usualReasoning,
    ),
  ),
})

/** A server of the user's choice that speaks OpenAI's Chat Completions. */
export const openaiCompatibleKind = defineUpstream({
  id: 'openai-compatible',
  title: 'Server of your own',
  rows: {
    schema: row,
    settings: ({ id, base, keys = [], models, reasoning = usualReasoning }, config) => ({
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

import { defaultModel, defaultSmallModel } from '../../core/default-models.ts'
import { modelRows } from '../model-rows.ts'
import type { Setting } from '../setting.ts'
import { name, nameMap } from '../value-kinds.ts'

/** Models. */
export const modelSettings = {
  primaryModel: {
    env: 'PRIMARY_MODEL',
    group: 'models',
    kind: name('MODEL'),
    default: defaultModel,
    about:
      'Model for names of other vendors, such as claude-… and gpt-…, and for agents; where zai-api is the first of UPSTREAMS, the default is the newest that the key may use.',
    role: 'plain',
  },
  smallModel: {
    env: 'SMALL_MODEL',
    group: 'models',
    kind: name('MODEL'),
    default: defaultSmallModel,
    about:
      'Model for names of small ones, such as claude-haiku-… and gpt-…-mini, and for the side jobs of agents; where zai-api is first, one that the key may use.',
    role: 'plain',
  },
  thinkingModel: {
    env: 'THINKING_MODEL',
    group: 'models',
    kind: name('NAME'),
    default: `${defaultModel}-Thinking`,
    about: 'Name that asks the primary model to reason.',
    role: 'plain',
  },
  searchModel: {
    env: 'SEARCH_MODEL',
    group: 'models',
    kind: name('NAME'),
    default: `${defaultModel}-Search`,
    about: 'Name that asks the primary model to search the web.',
    role: 'plain',
  },
  modelMap: {
    env: 'MODEL_MAP',
    group: 'models',
    kind: nameMap,
    default: '',
    about: 'Models for names of your own choice, first match wins, such as gpt-4o=GLM-4.5,claude-opus-*=GLM-4.7.',
    role: 'plain',
  },
  models: {
    env: 'ZAI_MODELS',
    toml: 'models',
    group: 'models',
    kind: modelRows,
    default: '',
    about: 'What is known of models, in front of the built-in table: [[models]] in the TOML file, or the same as JSON.',
    role: 'plain',
  },
} as const satisfies Record<string, Setting>

import type { ClientSetup, ClientTarget, TargetModel } from './client-setups.ts'

/**
 * Clients that are set up by hand: `zai2api env NAME` prints what to set or to paste. Each row names the document it was
 * written after, and the day; none of these clients has been run here.
 */
export const clientRecipes = {
  /** Source: qwenlm.github.io/qwen-code-docs, "OpenAI Authentication", 2026-11-30. */
  qwen: {
    variables: (target) => [
      ...openaiVariables(target),
      { name: 'OPENAI_MODEL', value: target.primary.id, why: 'The model; choose OpenAI at the first start.' },
    ],
  },
  /** Source: aider.chat/docs/llms/openai-compat.html, 2026-11-30. */
  aider: {
    variables: ({ url, key, primary }) => [
      { name: 'OPENAI_API_BASE', value: `${url}/v1`, why: 'The gateway instead of api.openai.com.' },
      { name: 'OPENAI_API_KEY', value: key, why: 'Its key.' },
      { name: 'AIDER_MODEL', value: `openai/${primary.id}`, why: 'The model, as --model openai/NAME sets it.' },
    ],
  },
  /** Source: the variables of the OpenAI provider in goose's documentation, 2026-11-30. */
  goose: {
    variables: ({ url, key, primary }) => [
      { name: 'GOOSE_PROVIDER', value: 'openai', why: 'The provider whose address can be set.' },
      { name: 'OPENAI_HOST', value: url, why: 'The gateway instead of api.openai.com, without a path.' },
      { name: 'OPENAI_BASE_PATH', value: 'v1/chat/completions', why: 'The path behind it.' },
      { name: 'OPENAI_API_KEY', value: key, why: 'The key of the gateway.' },
      { name: 'GOOSE_MODEL', value: primary.id, why: 'The model.' },
    ],
  },
  /** Source: zed.dev/docs/ai, "OpenAI-compatible endpoints", 2026-11-30: the variable is made of the provider's name. */
  zed: {
    variables: ({ key }) => [{ name: 'ZAI2API_API_KEY', value: key, why: 'The key, which Zed looks for.' }],
    snippet: { file: '~/.config/zed/settings.json', text: zedSettings, key: 'ZAI2API_API_KEY' },
  },
  /** Source: docs.continue.dev, "How to Configure OpenAI Models with Continue", 2026-11-30. */
  continue: {
    variables: () => [],
    snippet: { file: '~/.continue/config.yaml', text: continueConfig, key: '' },
  },
  /** Source: librechat.ai/docs, "Custom Endpoint Object Structure", 2026-11-30. */
  librechat: {
    variables: ({ key }) => [
      { name: 'ZAI2API_KEY', value: key, why: 'The key, which the file names; also into its .env.' },
    ],
    snippet: { file: 'librechat.yaml', text: librechatConfig },
  },
} as const satisfies Record<string, ClientSetup>

function openaiVariables({ url, key }: ClientTarget) {
  return [
    { name: 'OPENAI_BASE_URL', value: `${url}/v1`, why: 'The gateway instead of api.openai.com.' },
    { name: 'OPENAI_API_KEY', value: key, why: 'Its key.' },
  ]
}

/** A window that no model here falls short of, for one whose own is not known. */
const smallestWindow = 128_000

function zedSettings({ url, models }: ClientTarget): string {
  const available_models = models.map((model) => ({
    name: model.id,
    max_tokens: model.contextTokens ?? smallestWindow,
    ...(model.maxOutputTokens === undefined ? {} : { max_output_tokens: model.maxOutputTokens }),
    capabilities: { tools: true, images: seesImages(model), parallel_tool_calls: true, prompt_cache_key: false },
  }))
  const provider = { api_url: `${url}/v1`, available_models }
  return JSON.stringify({ language_models: { openai_compatible: { zai2api: provider } } }, undefined, 2)
}

function seesImages({ input = [] }: TargetModel): boolean {
  return input.includes('image')
}

/** Strings of JSON are also those of YAML. */
const quoted = JSON.stringify

function continueConfig({ url, key, primary, small }: ClientTarget): string {
  const entry = ({ id }: TargetModel, roles: string) => `  - name: ${quoted(id)}
    provider: openai
    model: ${quoted(id)}
    apiBase: ${quoted(`${url}/v1`)}
    apiKey: ${quoted(key)}
    roles: [${roles}]`
  const entries = [entry(primary, 'chat, edit, apply'), ...(small.id === primary.id ? [] : [entry(small, 'summarize')])]
  return `name: zai2api\nversion: 0.0.1\nschema: v1\nmodels:\n${entries.join('\n')}`
}

function librechatConfig({ url, primary, small }: ClientTarget): string {
  return `version: 1.2.1
endpoints:
  custom:
    - name: zai2api
      apiKey: \${ZAI2API_KEY}
      baseURL: ${quoted(`${url}/v1`)}
      models:
        default: [${quoted(primary.id)}]
        fetch: true
      titleConvo: true
      titleModel: ${quoted(small.id)}
      modelDisplayLabel: GLM`
}

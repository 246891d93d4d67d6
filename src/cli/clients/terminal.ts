import { type ClientSetup, type ClientTarget, indented, keyVariable, readOn, seesImages, windowOf } from './setup.ts'

/** Coding agents in a terminal that the user starts. */
export const terminalClients = {
  qwen: {
    label: 'Qwen Code',
    source: { read: 'qwenlm.github.io/qwen-code-docs, "OpenAI Authentication"', at: readOn },
    variables: ({ url, key, primary }) => [
      { name: 'OPENAI_BASE_URL', value: `${url}/v1`, why: 'The gateway instead of api.openai.com.' },
      { name: 'OPENAI_API_KEY', value: key, why: 'Its key.' },
      { name: 'OPENAI_MODEL', value: primary.id, why: 'The model; choose OpenAI at the first start.' },
    ],
  },
  aider: {
    label: 'aider',
    source: { read: 'aider.chat/docs/llms/openai-compat.html', at: readOn },
    variables: ({ url, key, primary }) => [
      { name: 'OPENAI_API_BASE', value: `${url}/v1`, why: 'The gateway instead of api.openai.com.' },
      { name: 'OPENAI_API_KEY', value: key, why: 'Its key.' },
      { name: 'AIDER_MODEL', value: `openai/${primary.id}`, why: 'The model, as --model openai/NAME sets it.' },
    ],
  },
  goose: {
    label: 'goose',
    source: { read: "goose's documentation, variables of the OpenAI provider", at: readOn },
    variables: ({ url, key, primary }) => [
      { name: 'GOOSE_PROVIDER', value: 'openai', why: 'The provider whose address can be set.' },
      { name: 'OPENAI_HOST', value: url, why: 'The gateway instead of api.openai.com, without a path.' },
      { name: 'OPENAI_BASE_PATH', value: 'v1/chat/completions', why: 'The path behind it.' },
      { name: 'OPENAI_API_KEY', value: key, why: 'The key of the gateway.' },
      { name: 'GOOSE_MODEL', value: primary.id, why: 'The model.' },
    ],
  },
  pi: {
    label: 'pi',
    source: { ran: 'pi 0.73.1' },
    snippet: { file: '~/.pi/agent/models.json', text: piModels },
  },
  crush: {
    label: 'Crush',
    source: { read: 'github.com/charmbracelet/crush, README and crush-config/SKILL.md', at: readOn },
    snippet: { file: '~/.config/crush/crush.json', text: crushConfig },
  },
} as const satisfies Record<string, ClientSetup>

function piModels({ url, models }: ClientTarget): string {
  const provider = {
    baseUrl: `${url}/v1`,
    api: 'openai-completions',
    apiKey: `$${keyVariable}`,
    models: models.map((model) => ({
      id: model.id,
      reasoning: true,
      input: seesImages(model) ? ['text', 'image'] : ['text'],
      contextWindow: windowOf(model),
      ...(model.maxOutputTokens === undefined ? {} : { maxTokens: model.maxOutputTokens }),
    })),
  }
  return indented({ providers: { zai2api: provider } })
}

function crushConfig({ url, models, primary, small }: ClientTarget): string {
  const provider = {
    name: 'zai2api',
    type: 'openai-compat',
    base_url: `${url}/v1`,
    api_key: `$${keyVariable}`,
    models: models.map((model) => ({
      id: model.id,
      name: model.id,
      context_window: windowOf(model),
      ...(model.maxOutputTokens === undefined ? {} : { default_max_tokens: model.maxOutputTokens }),
    })),
  }
  const chosen = ({ id }: { id: string }) => ({ provider: 'zai2api', model: id })
  return indented({
    $schema: 'https://charm.land/crush.json',
    models: { large: chosen(primary), small: chosen(small) },
    providers: { zai2api: provider },
  })
}

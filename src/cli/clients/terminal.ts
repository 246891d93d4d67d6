import { type ClientSetup, type ClientTarget, indented, keyVariable, readOn, seesImages, windowOf } from './setup.ts'

/** More coding agents that `zai2api NAME` runs. */
export const terminalClients = {
  qwen: {
    label: 'Qwen Code',
    source: { ran: 'Qwen Code 0.24.4' },
    variables: ({ url, key, primary }) => [
      { name: 'OPENAI_BASE_URL', value: `${url}/v1`, why: 'The gateway instead of api.openai.com.' },
      { name: 'OPENAI_API_KEY', value: key, why: 'Its key.' },
      { name: 'OPENAI_MODEL', value: primary.id, why: 'The model; choose OpenAI at the first start.' },
    ],
    // An earlier choice in its own settings would take precedence.
    args: ({ primary }) => ['--auth-type', 'openai', '--model', primary.id],
    commands: [
      'auth',
      'board',
      'channel',
      'extensions',
      'hooks',
      'mcp',
      'review',
      'sandbox',
      'serve',
      'sessions',
      'update',
    ],
  },
  pi: {
    label: 'pi',
    source: { ran: 'pi 0.73.1' },
    snippet: {
      file: '~/.pi/agent/models.json',
      text: (target) => indented({ providers: { zai2api: piProvider(target) } }),
    },
    variables: ({ key }) => [{ name: keyVariable, value: key, why: 'The key, which the provider names.' }],
    stateFile: { name: 'pi-provider.js', text: piExtension, isNeeded: true },
    args: ({ file = '', primary }) => ['--extension', file, '--provider', 'zai2api', '--model', primary.id],
    commands: ['install', 'remove', 'uninstall', 'update', 'list', 'config'],
  },
  cline: {
    label: 'Cline',
    source: { ran: 'Cline CLI 3.0.65' },
    note: 'These fields are those of the extension for editors. zai2api cline runs the program for terminals.',
    form: {
      where: 'the settings panel (gear)',
      fields: ({ url, key, primary }) => ({
        'API Provider': 'OpenAI Compatible',
        'Base URL': `${url}/v1`,
        'API Key': key,
        'Model ID': primary.id,
      }),
    },
    stateFile: { name: 'cline-providers.json', text: clineProviders, isNeeded: true },
    variables: ({ file }) => [
      { name: 'CLINE_PROVIDER_SETTINGS_PATH', value: file, why: 'Its providers, in place of those it remembers.' },
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
  crush: {
    label: 'Crush',
    source: { read: 'github.com/charmbracelet/crush, README and crush-config/SKILL.md', at: readOn },
    snippet: {
      file: '~/.config/crush/crush.json',
      text: (target) => indented({ $schema: 'https://charm.land/crush.json', ...crushConfig(target) }),
    },
    variables: ({ key }) => [{ name: keyVariable, value: key, why: 'The key, which the configuration names.' }],
    home: {
      ...{ variable: 'CRUSH_GLOBAL_CONFIG', folder: '.config/crush', file: 'crush.json', isFolder: true },
      settings: crushConfig,
    },
  },
} as const satisfies Record<string, ClientSetup>

function piProvider({ url, models }: ClientTarget) {
  return {
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
}

/** The largest reply of a model whose own limit is not known, in tokens. */
const usualReply = 32_768

/** Unlike the file of models, an extension has to say everything of each. Source: docs/custom-provider.md of pi 0.73.1. */
function piExtension(target: ClientTarget): string {
  const provider = piProvider(target)
  const models = provider.models.map((model, at) => {
    const { input = 0, output = 0, cached = 0 } = target.models[at]?.price ?? {}
    return {
      name: model.id,
      maxTokens: usualReply,
      ...model,
      cost: { input, output, cacheRead: cached, cacheWrite: 0 },
    }
  })
  // The name of the variable.
  const whole = { ...provider, apiKey: keyVariable, models }
  return `export default (pi) => pi.registerProvider('zai2api', ${indented(whole)})\n`
}

/** Source: what \`cline auth\` of Cline CLI 3.0.65 writes. It takes keys from nowhere else. */
function clineProviders({ url, key, primary }: ClientTarget): string {
  const provider = 'openai-compatible'
  const settings = { provider, apiKey: key, model: primary.id, baseUrl: `${url}/v1` }
  const entry = { settings, updatedAt: '2026-11-30T00:00:00.000Z', tokenSource: 'manual' }
  return `${indented({ version: 1, lastUsedProvider: provider, modes: {}, providers: { [provider]: entry } })}\n`
}

function crushConfig({ url, models, primary, small }: ClientTarget) {
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
  return { models: { large: chosen(primary), small: chosen(small) }, providers: { zai2api: provider } }
}

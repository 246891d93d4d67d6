import {
  type ClientSetup,
  type ClientTarget,
  indented,
  quoted,
  readOn,
  seesImages,
  type TargetModel,
  windowOf,
} from './setup.ts'

/** Editors and what extends them. */
export const editorClients = {
  vscode: {
    label: 'VS Code (Copilot)',
    source: { read: 'github.com/microsoft/vscode/issues/316916 and docs.orq.ai, "GitHub Copilot"', at: readOn },
    note: 'VS Code 1.122 or later. For chat and agents; completions in the editor stay with Copilot.',
    snippet: {
      file: 'chatLanguageModels.json (command "Chat: Open Language Models (JSON)")',
      text: vscodeModels,
      key: '',
    },
  },
  jetbrains: {
    label: 'JetBrains AI Assistant',
    source: { read: 'coder.com/docs/ai-coder/ai-gateway/clients/jetbrains', at: readOn },
    form: {
      where: 'Settings > Tools > AI Assistant > Models & API Keys > Third-party AI providers',
      fields: ({ url, key }) => ({ Provider: 'OpenAI-compatible', URL: `${url}/v1`, 'API Key': key }),
    },
  },
  cursor: {
    label: 'Cursor',
    source: {
      read: 'ngrok.com/docs/ai-gateway/agents/cursor and cursor.com/help/models-and-usage/api-keys',
      at: readOn,
    },
    note: "Cursor's own servers send the requests: the gateway needs an address that the internet reaches, and a key. Tab completion stays with Cursor.",
    form: {
      where: 'Cursor Settings > Models > API Keys',
      fields: ({ url, key, primary }) => ({
        'OpenAI API Key': key,
        'Override OpenAI Base URL': `${url}/v1`,
        'Add model': primary.id,
      }),
    },
  },
  roo: {
    label: 'Roo Code',
    source: { read: 'docs.roocode.com/providers/openai-compatible', at: readOn },
    form: { where: 'the settings panel (gear)', fields: measuredFields },
  },
  kilo: {
    label: 'Kilo Code',
    source: { read: 'kilo.ai/docs/providers/openai-compatible', at: readOn },
    form: { where: 'the settings panel (gear)', fields: measuredFields },
  },
  /** The variable is made of the provider's name. */
  zed: {
    label: 'Zed',
    source: { read: 'zed.dev/docs/ai, "OpenAI-compatible endpoints"', at: readOn },
    snippet: { file: '~/.config/zed/settings.json', text: zedSettings, key: 'ZAI2API_API_KEY' },
  },
  continue: {
    label: 'Continue',
    source: { read: 'docs.continue.dev, "How to Configure OpenAI Models with Continue"', at: readOn },
    snippet: { file: '~/.continue/config.yaml', text: continueConfig, key: '' },
  },
} as const satisfies Record<string, ClientSetup>

function vscodeModels({ url, key, models }: ClientTarget): string {
  const provider = {
    name: 'zai2api',
    vendor: 'customendpoint',
    apiKey: key,
    apiType: 'chat-completions',
    models: models.map((model) => ({
      id: model.id,
      name: model.id,
      url: `${url}/v1/chat/completions`,
      toolCalling: true,
      vision: seesImages(model),
      maxInputTokens: windowOf(model),
      ...(model.maxOutputTokens === undefined ? {} : { maxOutputTokens: model.maxOutputTokens }),
    })),
  }
  return indented([provider])
}

/** What Cline and the programs that grew out of it ask for. */
function panelFields({ url, key, primary }: ClientTarget, model: string): Record<string, string> {
  return { 'API Provider': 'OpenAI Compatible', 'Base URL': `${url}/v1`, 'API Key': key, [model]: primary.id }
}

function measuredFields(target: ClientTarget): Record<string, string> {
  const { primary } = target
  return {
    ...panelFields(target, 'Model'),
    'Context Window': String(windowOf(primary)),
    ...(primary.maxOutputTokens === undefined ? {} : { 'Max Output Tokens': String(primary.maxOutputTokens) }),
    'Image Support': seesImages(primary) ? 'on' : 'off',
  }
}

function zedSettings({ url, models }: ClientTarget): string {
  const available_models = models.map((model) => ({
    name: model.id,
    max_tokens: windowOf(model),
    ...(model.maxOutputTokens === undefined ? {} : { max_output_tokens: model.maxOutputTokens }),
    capabilities: { tools: true, images: seesImages(model), parallel_tool_calls: true, prompt_cache_key: false },
  }))
  const provider = { api_url: `${url}/v1`, available_models }
  return indented({ language_models: { openai_compatible: { zai2api: provider } } })
}

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

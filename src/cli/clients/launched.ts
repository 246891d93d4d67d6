import { codexModels } from './codex-models.ts'
import { type ClientSetup, type ClientTarget, indented, keyVariable, type TargetModel, type Variable } from './setup.ts'

/** The coding agents that `zai2api NAME` runs. */
export const launchedClients = {
  claude: { label: 'Claude Code', source: { ran: 'Claude Code 2.1.197' }, usesAnthropicKey: true, variables: claude },
  codex: {
    label: 'Codex',
    source: { ran: 'Codex 0.171.0' },
    note: 'zai2api env codex also writes the file of models that Codex reads. zai2api codex writes it anew at each start.',
    variables: ({ key }) => [{ name: keyVariable, value: key, why: 'The key, which the configuration names.' }],
    stateFile: { name: 'codex-models.json', text: codexModels },
    args: (target) => [...codexSettings(target)].flatMap(([path, value]) => ['-c', `${path}=${toml(value)}`]),
    snippet: { file: '~/.codex/config.toml', text: codexToml },
  },
  gemini: {
    label: 'Gemini CLI',
    source: { ran: 'Gemini CLI 0.61.0' },
    variables: gemini,
    home: { variable: 'GEMINI_CLI_HOME', folder: '.gemini', file: 'settings.json', settings: geminiSettings },
  },
  opencode: {
    label: 'opencode',
    source: { ran: 'opencode 1.18.33' },
    variables: (target) => [
      {
        name: 'OPENCODE_CONFIG_CONTENT',
        value: JSON.stringify(opencodeConfig(target)),
        why: 'Configuration on top of the own one.',
      },
      { name: keyVariable, value: target.key, why: 'The key, which the configuration names.' },
    ],
    snippet: {
      file: '~/.config/opencode/opencode.json',
      text: (target) => indented({ $schema: 'https://opencode.ai/config.json', ...opencodeConfig(target) }),
    },
  },
} as const satisfies Record<string, ClientSetup>

const otherProviders = ['Bedrock', 'Vertex', 'Foundry']

/** Source: the program text of Claude Code 2.1.197 and what it sent on loopback. */
function claude({ url, key, primary, small, named }: ClientTarget): Variable[] {
  const context = primary.contextTokens
  return [
    { name: 'ANTHROPIC_BASE_URL', value: url, why: 'The gateway instead of api.anthropic.com.' },
    { name: 'ANTHROPIC_AUTH_TOKEN', value: key, why: 'Its key.' },
    { name: 'ANTHROPIC_API_KEY', value: undefined, why: 'Claude Code asks about a second key that it finds.' },
    ...otherProviders.map((provider) => ({
      name: `CLAUDE_CODE_USE_${provider.toUpperCase()}`,
      value: undefined,
      why: `Would send everything to ${provider} instead.`,
    })),
    ...(named ? [{ name: 'ANTHROPIC_MODEL', value: primary.id, why: 'The model of PRIMARY_MODEL.' }] : []),
    { name: 'ANTHROPIC_DEFAULT_OPUS_MODEL', value: primary.id, why: 'What "opus" stands for.' },
    { name: 'ANTHROPIC_DEFAULT_SONNET_MODEL', value: primary.id, why: 'What "sonnet" stands for.' },
    { name: 'ANTHROPIC_DEFAULT_HAIKU_MODEL', value: small.id, why: 'What "haiku" stands for: titles, summaries.' },
    ...(context === undefined
      ? []
      : [
          {
            name: 'CLAUDE_CODE_MAX_CONTEXT_TOKENS',
            value: String(context),
            why: 'A model it does not know is taken for 200000: compacting would come too late or too early.',
          },
          {
            name: 'CLAUDE_CODE_AUTO_COMPACT_WINDOW',
            value: String(context),
            why: 'Versions differ in which of the two decides when to compact.',
          },
        ]),
    {
      name: 'ENABLE_TOOL_SEARCH',
      value: 'true',
      why: 'Off by default on foreign hosts: every MCP tool would be part of every prompt.',
    },
    { name: 'API_TIMEOUT_MS', value: '3000000', why: 'Long thinking outlasts its 10 minutes.' },
    {
      name: 'CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC',
      value: '1',
      why: 'No telemetry and no update checks at Anthropic.',
    },
    {
      name: 'CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST',
      value: '1',
      why: 'Else an "env" of ~/.claude/settings.json would win over all of this.',
    },
  ]
}

/** Source: the program text of Gemini CLI 0.61.0 and what it sent on loopback. Names of Gemini's models are mapped here. */
function gemini({ url, key, primary }: ClientTarget): Variable[] {
  return [
    { name: 'GOOGLE_GEMINI_BASE_URL', value: url, why: "The gateway instead of Google's servers." },
    { name: 'GEMINI_API_KEY', value: key, why: 'Its key.' },
    { name: 'GEMINI_MODEL', value: primary.id, why: 'The model for the main work; --model takes precedence.' },
    { name: 'GOOGLE_API_KEY', value: undefined, why: 'Would be sent instead.' },
    { name: 'GOOGLE_GENAI_USE_VERTEXAI', value: undefined, why: 'Would send everything to Vertex instead.' },
    { name: 'GOOGLE_GENAI_USE_GCA', value: undefined, why: "Would send everything to Google's Code Assist instead." },
  ]
}

/** In tokens: what Gemini CLI takes for the window of a model that it does not know. */
const geminiWindow = 1_048_576
/** The default share of the window that it fills before it compresses. */
const geminiThreshold = 0.5

/** Without the kind of sign-in, Gemini CLI does not start, or goes to Google with the user's account. */
function geminiSettings({ primary }: ClientTarget): Record<string, unknown> {
  const { contextTokens = geminiWindow } = primary
  const compressionThreshold = Number(((geminiThreshold * contextTokens) / geminiWindow).toFixed(4))
  return {
    security: { auth: { selectedType: 'gemini-api-key' } },
    privacy: { usageStatisticsEnabled: false },
    ...(contextTokens < geminiWindow ? { model: { compressionThreshold } } : {}),
  }
}

/** Dotted path to value, as `-c` takes it. Source: Codex 0.171, which reads nothing of this from the environment. */
function codexSettings({ url, primary, file }: ClientTarget): Map<string, string | number> {
  return new Map<string, string | number>([
    ['model', primary.id],
    ['model_provider', 'zai2api'],
    ...codexWindow(primary, file),
    ['model_providers.zai2api.name', 'zai2api'],
    ['model_providers.zai2api.base_url', `${url}/v1`],
    ['model_providers.zai2api.wire_api', 'responses'],
    ['model_providers.zai2api.env_key', keyVariable],
  ])
}

/** The file has the window of every model. A window in the settings counts for any of them. */
function codexWindow({ contextTokens }: TargetModel, file: string | undefined): [string, string | number][] {
  if (file !== undefined) return [['model_catalog_json', file]]
  return contextTokens === undefined ? [] : [['model_context_window', contextTokens]]
}

function codexToml(target: ClientTarget): string {
  const table = 'model_providers.zai2api.'
  const lines = [...codexSettings(target)].map(([path, value]) => `${path} = ${toml(value)}`)
  const top = lines.filter((line) => !line.startsWith(table))
  const provider = lines.filter((line) => line.startsWith(table)).map((line) => line.slice(table.length))
  return [...top, '', '[model_providers.zai2api]', ...provider].join('\n')
}

/** JSON strings and numbers are also valid TOML. */
function toml(value: string | number): string {
  return JSON.stringify(value)
}

/** The provider `@ai-sdk/openai-compatible` is part of opencode, so nothing is downloaded. Source: opencode 1.18.33. */
function opencodeConfig({ url, models, primary, small }: ClientTarget) {
  return {
    model: `zai2api/${primary.id}`,
    small_model: `zai2api/${small.id}`,
    provider: {
      zai2api: {
        npm: '@ai-sdk/openai-compatible',
        name: 'zai2api',
        options: { baseURL: `${url}/v1`, apiKey: `{env:${keyVariable}}` },
        models: Object.fromEntries(models.map((model) => [model.id, opencodeModel(model)])),
      },
    },
  }
}

function opencodeModel({ id, contextTokens, maxOutputTokens, input = ['text'], price }: TargetModel) {
  return {
    name: id,
    tool_call: true,
    reasoning: true,
    ...(input.includes('image')
      ? { attachment: true, modalities: { input: ['text', 'image'], output: ['text'] } }
      : {}),
    ...(price?.input === undefined || price.output === undefined
      ? {}
      : {
          cost: {
            input: price.input,
            output: price.output,
            ...(price.cached === undefined ? {} : { cache_read: price.cached }),
          },
        }),
    // opencode refuses a limit with only one of the two numbers.
    ...(contextTokens === undefined || maxOutputTokens === undefined
      ? {}
      : { limit: { context: contextTokens, output: maxOutputTokens } }),
  }
}

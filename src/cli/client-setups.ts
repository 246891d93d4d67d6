import type { ClientHome } from './client-home.ts'
import { clientRecipes } from './client-recipes.ts'

/** What a client needs to know: the address of the gateway, its key and its models. */
export interface ClientTarget {
  /** `http://127.0.0.1:8080` */
  url: string
  key: string
  models: readonly TargetModel[]
  /** The model for the main work. */
  primary: TargetModel
  /** The model for titles and summaries. */
  small: TargetModel
  /** The user has configured a model, which overrides the choice that the client remembers. */
  named: boolean
}

export interface TargetModel {
  id: string
  contextTokens?: number
  maxOutputTokens?: number
  /** Kinds of content that a message may hold: `text`, `image`, `video`, `file`. */
  input?: readonly string[]
  /** Dollars per million tokens. */
  price?: Record<'input' | 'output' | 'cached', number | undefined>
}

/** One environment variable for a client. `undefined` as value unsets it. `why` is shown to the user. */
export interface Variable {
  name: string
  value: string | undefined
  why: string
}

/** How one client is set up without changing its own configuration. */
export interface ClientSetup {
  variables(target: ClientTarget): Variable[]
  /** Arguments to insert before those of the user. */
  args?(target: ClientTarget): string[]
  /** A permanent alternative: text for the client's own configuration file. */
  snippet?: {
    file: string
    text(target: ClientTarget): string
    /** The variable that the client reads the key from; '' where the text holds the key. Default: `ZAI2API_KEY`. */
    key?: string
  }
  /** Settings for a home of its own. */
  home?: ClientHome
}

const keyVariable = 'ZAI2API_KEY'

export const clientSetups = {
  claude: { variables: claude },
  codex: {
    variables: ({ key }) => [{ name: keyVariable, value: key, why: 'The key, which the configuration names.' }],
    args: (target) => [...codexSettings(target)].flatMap(([path, value]) => ['-c', `${path}=${toml(value)}`]),
    snippet: { file: '~/.codex/config.toml', text: codexToml },
  },
  opencode: {
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
      text: (target) =>
        JSON.stringify({ $schema: 'https://opencode.ai/config.json', ...opencodeConfig(target) }, undefined, 2),
    },
  },
  gemini: {
    variables: gemini,
    home: { variable: 'GEMINI_CLI_HOME', folder: '.gemini', file: 'settings.json', settings: geminiSettings },
  },
  openai: {
    variables: ({ url, key }) => [
      { name: 'OPENAI_BASE_URL', value: `${url}/v1`, why: 'The gateway instead of api.openai.com.' },
      { name: 'OPENAI_API_KEY', value: key, why: 'Its key.' },
    ],
  },
  anthropic: {
    variables: ({ url, key }) => [
      { name: 'ANTHROPIC_BASE_URL', value: url, why: 'The gateway instead of api.anthropic.com.' },
      { name: 'ANTHROPIC_AUTH_TOKEN', value: key, why: 'Its key.' },
      { name: 'ANTHROPIC_API_KEY', value: undefined, why: 'Would be sent as well.' },
    ],
  },
  ...clientRecipes,
} as const satisfies Record<string, ClientSetup>

export type Client = keyof typeof clientSetups

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
/** The part of the window that it fills before it compresses, unless told. */
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

/** Dotted path to value, as `-c` takes it. Source: Codex 0.169, which reads nothing of this from the environment. */
function codexSettings({ url, primary }: ClientTarget): Map<string, string | number> {
  return new Map<string, string | number>([
    ['model', primary.id],
    ['model_provider', 'zai2api'],
    ...(primary.contextTokens === undefined ? [] : [['model_context_window', primary.contextTokens] as const]),
    ['model_providers.zai2api.name', 'zai2api'],
    ['model_providers.zai2api.base_url', `${url}/v1`],
    ['model_providers.zai2api.wire_api', 'responses'],
    ['model_providers.zai2api.env_key', keyVariable],
  ])
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

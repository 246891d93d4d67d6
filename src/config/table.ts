import { Type } from '@sinclair/typebox'
import { mcpAddress } from '../core/mcp-address.ts'
import { keepAliveStyles, reasoningFields } from '../core/reply-encoder.ts'
import { reasoningModes } from '../gateway/reasoning-placement.ts'
import { searchPolicies } from '../gateway/web-search.ts'
import { captureModes } from '../observe/capture-mode.ts'
import { logFormats, logLevels } from '../observe/log.ts'
import { apiServiceText } from './api-services.ts'
import { modelRows } from './model-rows.ts'
import { type BuiltInUpstream, upstreamRows } from './upstream-rows.ts'
import {
  choice,
  httpUrl,
  type Kind,
  list,
  name,
  nameMap,
  onOff,
  secret,
  secrets,
  type ValueOf,
  wholeNumber,
  word,
} from './value-kinds.ts'

/** One setting. Its help, its documentation and its error messages are generated from this row. */
export interface Setting {
  /** The environment variable. Its lower-case form is the TOML key, its kebab-case form the flag. */
  env: string
  /** The flag, if it is not the variable in kebab-case. */
  flag?: string
  /** The TOML key, if it is not the variable in lower case. */
  toml?: string
  group: keyof typeof groups
  kind: Kind
  /** As text, read like a value of any other source. '' means unset. */
  default: string
  about: string
  role: Role
  /** How the setting protects the gateway. Absent if it does not. */
  protects?: Protection
  /** The value is never shown in full and has no flag, because other users of the machine can read a command line. */
  secret?: true
  /** The value in `.env.example` if there is no default. */
  example?: string
}

/**
 * How a setting protects the gateway or its owner's accounts, which decides what values protect less:
 * - `limit`: a higher number; with `limit, 0 for none` also 0
 * - `origins`: additional origins
 * - `loopback`: an address that is not loopback
 * - `refuses`: any value other than this one
 */
export type Protection = 'limit' | 'limit, 0 for none' | 'origins' | 'loopback' | { refuses: boolean | string }

/** A receiver of credentials: the gateway itself (from its clients), an upstream or the collector of traces. */
export type Destination = 'gateway' | BuiltInUpstream | 'collector'

/**
 * How a setting affects secrets. Every row must state it.
 *
 * A credential is sent only to an address whose source is trusted as much as the credential's. Prompts are trusted as
 * much as the credentials of the upstreams. `cli/trust.ts` enforces both.
 */
export type Role =
  | 'plain'
  | { credentialOf: Destination }
  /** The setting decides the address of a destination, who receives prompts, or where conversations are stored. */
  | { addressOf: Addressed }

export type Addressed = Destination | 'prompts' | 'conversations'

export const groups = {
  server: 'Server',
  keys: 'Keys and accounts',
  models: 'Models',
  answers: 'Answers',
  upstream: 'Upstream',
  log: 'Log, metrics and traces',
}

/** The key of the predecessor's example. It is public, so the gateway accepts it as a placeholder only. */
const exampleKey = 'sk-your-api-key'

const host = word('HOST', 'a host name or an IP address', Type.String({ pattern: '^[A-Za-z0-9:][A-Za-z0-9.:_-]*$' }))

const origins = list(
  'ORIGINS',
  '* or origins such as https://chat.example, separated by commas',
  Type.String({ pattern: '^(\\*|null|[a-z][a-z0-9+.-]*://[^/\\s]+)$' }),
)

const mcpServers = list(
  'SERVERS',
  '* or hosts (mcp.example.com, 127.0.0.1:3000) or addresses (https://mcp.example.com/mcp), separated by commas',
  Type.String({ pattern: mcpAddress }),
)

const collector = word(
  'URL',
  'an http(s) URL without user name',
  Type.Union([Type.String({ pattern: '^https?://[^/@\\s]+(/\\S*)?$' }), Type.Undefined()]),
)

const headers = list(
  'HEADERS',
  'name=value pairs of printable ASCII, separated by commas',
  Type.String({ pattern: '^[A-Za-z0-9!#$&^_.+-]+=[\\x21-\\x7e]+$' }),
)

const apiService = word('NAME', apiServiceText.description, Type.String({ pattern: apiServiceText.pattern }))

/** All settings, in the order of the documentation. */
export const settings = {
  host: {
    env: 'HOST',
    group: 'server',
    kind: host,
    default: '127.0.0.1',
    about: 'Address to listen on; any other than loopback needs AUTH_TOKEN.',
    role: { addressOf: 'gateway' },
    protects: 'loopback',
  },
  listenPort: {
    env: 'LISTEN_PORT',
    flag: 'port',
    group: 'server',
    kind: wholeNumber(0, 65_535),
    default: '8080',
    about: 'Port to listen on; 0 takes a free one.',
    role: { addressOf: 'gateway' },
  },
  reusePort: {
    env: 'REUSE_PORT',
    group: 'server',
    kind: onOff,
    default: 'false',
    about: 'Let several gateways of this machine listen on the same port; the system gives each a part. Linux only.',
    role: 'plain',
  },
  corsOrigins: {
    env: 'CORS_ORIGINS',
    group: 'server',
    kind: origins,
    default: '',
    about: 'Web origins that may call from a browser; * allows all.',
    role: 'plain',
    protects: 'origins',
  },
  allowQueryKey: {
    env: 'ALLOW_QUERY_KEY',
    group: 'server',
    kind: onOff,
    default: 'false',
    about: "Take keys from addresses (Gemini's ?key=), which browsers and proxies keep.",
    role: 'plain',
    protects: { refuses: false },
  },
  maxBodyBytes: {
    env: 'MAX_BODY_BYTES',
    group: 'server',
    kind: wholeNumber(1),
    default: '33554432',
    about: 'Largest request body.',
    role: 'plain',
    protects: 'limit',
  },
  maxMessages: {
    env: 'MAX_MESSAGES',
    group: 'server',
    kind: wholeNumber(1),
    default: '10000',
    about: 'Most messages in one request.',
    role: 'plain',
    protects: 'limit',
  },
  maxConcurrent: {
    env: 'MAX_CONCURRENT',
    group: 'server',
    kind: wholeNumber(1),
    default: '4000',
    about: 'Requests answered at the same time; more are refused with 503 until one ends.',
    role: 'plain',
    protects: 'limit',
  },
  rateLimitRpm: {
    env: 'RATE_LIMIT_RPM',
    group: 'server',
    kind: wholeNumber(0),
    default: '0',
    about: 'Requests a minute for each key; 0 for no limit.',
    role: 'plain',
    protects: 'limit, 0 for none',
  },
  rateLimitTpm: {
    env: 'RATE_LIMIT_TPM',
    group: 'server',
    kind: wholeNumber(0),
    default: '0',
    about: 'Tokens a minute for each key, prompts and answers together; 0 for no limit.',
    role: 'plain',
    protects: 'limit, 0 for none',
  },
  bodyTimeoutMs: {
    env: 'BODY_TIMEOUT_MS',
    group: 'server',
    kind: wholeNumber(1),
    default: '30000',
    about: 'Longest wait for the next piece of a request body.',
    role: 'plain',
    protects: 'limit',
  },
  stallMs: {
    env: 'STALL_MS',
    group: 'server',
    kind: wholeNumber(1),
    default: '300000',
    about: 'Longest time in which a client reads nothing of its answer before it is cut off.',
    role: 'plain',
    protects: 'limit',
  },
  keepaliveMs: {
    env: 'KEEPALIVE_MS',
    group: 'server',
    kind: wholeNumber(1, 10_000),
    default: '10000',
    about: 'Longest silence towards a client before a keep-alive is sent.',
    role: 'plain',
  },
  keepaliveStyle: {
    env: 'KEEPALIVE_STYLE',
    group: 'server',
    kind: choice(keepAliveStyles),
    default: 'comment',
    about:
      'What a keep-alive is on the OpenAI APIs: comment a line clients skip, chunk an empty delta in Chat and Completions for a client that counts events only.',
    role: 'plain',
  },
  shutdownMs: {
    env: 'SHUTDOWN_MS',
    group: 'server',
    kind: wholeNumber(0),
    default: '30000',
    about: 'Time that running answers get to finish after SIGTERM.',
    role: 'plain',
  },
  databaseUrl: {
    env: 'DATABASE_URL',
    group: 'server',
    // The value is checked only where the database is opened: DATABASE_URL is often set for another program, and
    // commands that need no database have to run nevertheless.
    kind: word('URL', 'memory, sqlite:PATH or postgres://…', Type.Union([Type.String(), Type.Undefined()])),
    default: '',
    about:
      'Database for keys, usage and the list of requests, never their content: memory (gone with the process), sqlite:PATH or postgres://user:password@host/name; by default the file zai2api.sqlite in the state folder.',
    role: { addressOf: 'conversations' },
  },
  budgetStrict: {
    env: 'BUDGET_STRICT',
    group: 'server',
    kind: onOff,
    default: 'false',
    about:
      'While PostgreSQL cannot be reached, refuse keys with budgets (true), or let them in by what was last known and count it later (false).',
    role: 'plain',
    protects: { refuses: true },
  },
  authToken: {
    env: 'AUTH_TOKEN',
    group: 'keys',
    kind: secret,
    default: '',
    about: 'Key that clients must send; without it only this machine is served.',
    role: { credentialOf: 'gateway' },
    secret: true,
    example: exampleKey,
  },
  anthropicApiKey: {
    env: 'ANTHROPIC_API_KEY',
    group: 'keys',
    kind: secret,
    default: '',
    about: 'Key for the Anthropic endpoints, where it is not AUTH_TOKEN.',
    role: { credentialOf: 'gateway' },
    secret: true,
    example: exampleKey,
  },
  adminToken: {
    env: 'ADMIN_TOKEN',
    group: 'keys',
    kind: secret,
    default: '',
    about:
      "The operator's key, for the page, /admin/api and /metrics; where it is not set AUTH_TOKEN serves, and without both only pages of this machine are let in.",
    role: { credentialOf: 'gateway' },
    secret: true,
  },
  zaiApiKeys: {
    env: 'ZAI_API_KEY',
    group: 'keys',
    kind: secrets,
    default: '',
    about:
      'Keys of the official API, separated by commas; with one, zai-api is the upstream unless UPSTREAMS says otherwise.',
    role: { credentialOf: 'zai-api' },
    secret: true,
  },
  zaiTokens: {
    env: 'ZAI_TOKEN',
    group: 'keys',
    kind: secrets,
    default: '',
    about: 'Tokens of your own chat.z.ai accounts, separated by commas.',
    role: { credentialOf: 'zai-web' },
    secret: true,
  },
  backupToken: {
    env: 'BACKUP_TOKEN',
    group: 'keys',
    kind: secret,
    default: '',
    about: 'Token to fall back to when no other session can be had.',
    role: { credentialOf: 'zai-web' },
    secret: true,
  },
  anonymousMode: {
    env: 'ANONYMOUS_MODE',
    group: 'keys',
    kind: onOff,
    default: 'true',
    about: 'Use guest sessions where no token of your own works.',
    role: 'plain',
    protects: { refuses: false },
  },
  primaryModel: {
    env: 'PRIMARY_MODEL',
    group: 'models',
    kind: name('MODEL'),
    default: 'GLM-4.5',
    about:
      'Model for names of other vendors, such as claude-… and gpt-…, and for agents; where zai-api is the first of UPSTREAMS, the default is the newest that the key may use.',
    role: 'plain',
  },
  smallModel: {
    env: 'SMALL_MODEL',
    group: 'models',
    kind: name('MODEL'),
    default: 'GLM-4.5-Air',
    about:
      'Model for names of small ones, such as claude-haiku-… and gpt-…-mini, and for the side jobs of agents; where zai-api is first, one that the key may use.',
    role: 'plain',
  },
  thinkingModel: {
    env: 'THINKING_MODEL',
    group: 'models',
    kind: name('NAME'),
    default: 'GLM-4.5-Thinking',
    about: 'Name that asks the primary model to reason.',
    role: 'plain',
  },
  searchModel: {
    env: 'SEARCH_MODEL',
    group: 'models',
    kind: name('NAME'),
    default: 'GLM-4.5-Search',
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
  thinkingProcessing: {
    env: 'THINKING_PROCESSING',
    group: 'answers',
    kind: choice(reasoningModes),
    default: 'think',
    about:
      "Where reasoning goes: think its own field, tags <thinking> in the text, strip nowhere, raw the site's markup.",
    role: 'plain',
  },
  reasoningField: {
    env: 'REASONING_FIELD',
    group: 'answers',
    kind: choice(reasoningFields),
    default: 'reasoning_content',
    about:
      'Field of Chat Completions that holds reasoning: reasoning_content as at DeepSeek and Z.AI, reasoning as at OpenRouter, or both.',
    role: 'plain',
  },
  toolSupport: {
    env: 'TOOL_SUPPORT',
    group: 'answers',
    kind: onOff,
    default: 'true',
    about: 'Let the model call the tools of the client.',
    role: 'plain',
  },
  webSearch: {
    env: 'WEB_SEARCH',
    group: 'answers',
    kind: choice(searchPolicies),
    default: 'auto',
    about:
      'When Z.AI searches the web for a client that asks it to: auto not beside tools of the client, on always (zai-web never beside tools), off never.',
    role: 'plain',
    protects: { refuses: 'off' },
  },
  mcpServers: {
    env: 'MCP_SERVERS',
    group: 'answers',
    kind: mcpServers,
    default: '',
    about:
      'MCP servers whose tools clients may have called by the gateway: hosts, addresses, or * for any with a public https address. Without it, none.',
    role: 'plain',
    protects: 'origins',
  },
  mcpMaxRounds: {
    env: 'MCP_MAX_ROUNDS',
    group: 'answers',
    kind: wholeNumber(1, 100),
    default: '10',
    about: 'Most times that one reply calls tools of MCP servers and goes on with their results.',
    role: 'plain',
    protects: 'limit',
  },
  mcpCallMs: {
    env: 'MCP_CALL_MS',
    group: 'answers',
    kind: wholeNumber(1, 3_600_000),
    default: '60000',
    about: 'Longest wait for one answer of an MCP server.',
    role: 'plain',
    protects: 'limit',
  },
  mcpTotalMs: {
    env: 'MCP_TOTAL_MS',
    group: 'answers',
    kind: wholeNumber(1, 86_400_000),
    default: '300000',
    about: 'Longest wait for MCP servers in one reply, all together.',
    role: 'plain',
    protects: 'limit',
  },
  mcpMaxTools: {
    env: 'MCP_MAX_TOOLS',
    group: 'answers',
    kind: wholeNumber(1, 10_000),
    default: '128',
    about: 'Most tools of MCP servers that one request offers to the model.',
    role: 'plain',
    protects: 'limit',
  },
  mcpMaxResult: {
    env: 'MCP_MAX_RESULT',
    group: 'answers',
    kind: wholeNumber(100),
    default: '100000',
    about: 'Characters of one result of an MCP tool that are passed on; the rest is cut.',
    role: 'plain',
    protects: 'limit',
  },
  scanLimit: {
    env: 'SCAN_LIMIT',
    group: 'answers',
    kind: wholeNumber(1),
    default: '200000',
    about: 'Characters of one answer that are searched for tool calls.',
    role: 'plain',
  },
  loopLimit: {
    env: 'LOOP_LIMIT',
    group: 'answers',
    kind: wholeNumber(0),
    default: '10000',
    about: 'Characters of one passage repeated over and over that end an answer in an error; 0 never does.',
    role: 'plain',
    protects: 'limit, 0 for none',
  },
  store: {
    env: 'STORE',
    group: 'answers',
    kind: word('WHERE', 'memory, off, database or the path of a file', Type.String({ minLength: 1 })),
    default: 'memory',
    about:
      'Where replies of /v1/responses are kept for previous_response_id: memory (gone with the process), off, database (the one of DATABASE_URL) or a SQLite file; the last two then hold conversations. Batches of /v1/messages/batches are kept in the database or else in memory.',
    role: { addressOf: 'conversations' },
  },
  upstreams: {
    env: 'UPSTREAMS',
    group: 'upstream',
    kind: upstreamRows,
    default: 'zai-web',
    about:
      'Where answers come from, in this order: zai-web is chat.z.ai, zai-api the official API, demo a scripted model without network, [[upstreams]] in the TOML file a server of your own. Where one cannot answer, the next that has the model does.',
    role: { addressOf: 'prompts' },
  },
  apiEndpoint: {
    env: 'API_ENDPOINT',
    group: 'upstream',
    kind: httpUrl,
    default: 'https://chat.z.ai/api/v2/chat/completions',
    about: 'Completion endpoint of chat.z.ai; every other call goes to the same origin.',
    role: { addressOf: 'zai-web' },
  },
  zaiApiBase: {
    env: 'ZAI_API_BASE',
    group: 'upstream',
    kind: apiService,
    default: 'general',
    about:
      'Service of the official API that ZAI_API_KEY belongs to: coding is the coding plan, bigmodel is the one in China.',
    role: { addressOf: 'zai-api' },
  },
  queueLimit: {
    env: 'QUEUE_LIMIT',
    group: 'upstream',
    kind: wholeNumber(0),
    default: '100',
    about:
      "Requests that may wait for a free key or account of one upstream; one more is refused, unless its client's key has less than an equal share of them.",
    role: 'plain',
    protects: 'limit',
  },
  queueMs: {
    env: 'QUEUE_MS',
    group: 'upstream',
    kind: wholeNumber(0),
    default: '120000',
    about: 'Longest wait of a request for a free key or account, retries after rate limits included.',
    role: 'plain',
    protects: 'limit',
  },
  upstreamHeadersMs: {
    env: 'UPSTREAM_HEADERS_MS',
    group: 'upstream',
    kind: wholeNumber(1),
    default: '60000',
    about: 'Longest wait for the upstream to begin its reply.',
    role: 'plain',
  },
  upstreamIdleMs: {
    env: 'UPSTREAM_IDLE_MS',
    group: 'upstream',
    kind: wholeNumber(1),
    default: '120000',
    about: 'Longest silence inside a reply before it is given up.',
    role: 'plain',
  },
  maxImageBytes: {
    env: 'MAX_IMAGE_BYTES',
    group: 'upstream',
    kind: wholeNumber(1),
    default: '20971520',
    about: 'Largest image that is uploaded.',
    role: 'plain',
    protects: 'limit',
  },
  zaiGuestTtlMs: {
    env: 'ZAI_GUEST_TTL_MS',
    group: 'upstream',
    kind: wholeNumber(1),
    default: '480000',
    about: 'Age at which a guest session is replaced.',
    role: 'plain',
  },
  zaiCreateChat: {
    env: 'ZAI_CREATE_CHAT',
    group: 'upstream',
    kind: onOff,
    default: 'true',
    about: 'Create a chat on the site before each completion, as its own page does.',
    role: 'plain',
  },
  zaiMessagesMode: {
    env: 'ZAI_MESSAGES_MODE',
    group: 'upstream',
    kind: choice(['flatten', 'roles']),
    default: 'flatten',
    about: 'How a conversation is sent: flatten one user message, roles one message a turn.',
    role: 'plain',
  },
  zaiSign: {
    env: 'ZAI_SIGN',
    group: 'upstream',
    kind: onOff,
    default: 'true',
    about: 'Sign completion requests.',
    role: 'plain',
  },
  zaiSigningKey: {
    env: 'ZAI_SIGNING_KEY',
    group: 'upstream',
    kind: name('KEY'),
    default: 'key-@@@@)))()((9))-xxxx&&&%%%%%',
    about: "Signing key, a public constant of the site's script.",
    role: 'plain',
  },
  zaiFeVersion: {
    env: 'ZAI_FE_VERSION',
    group: 'upstream',
    kind: name('VERSION'),
    default: 'prod-fe-1.1.98',
    about: "Version of the site's page to claim until the current one is known.",
    role: 'plain',
  },
  logLevel: {
    env: 'LOG_LEVEL',
    group: 'log',
    kind: choice(logLevels),
    default: 'info',
    about: 'Least important lines to write.',
    role: 'plain',
  },
  debugLogging: {
    env: 'DEBUG_LOGGING',
    group: 'log',
    kind: onOff,
    default: 'false',
    about: 'Short for LOG_LEVEL=debug, where LOG_LEVEL is not set.',
    role: 'plain',
  },
  logFormat: {
    env: 'LOG_FORMAT',
    group: 'log',
    kind: choice(logFormats),
    default: 'auto',
    about:
      'Shape of a log line: short one of 100 columns a request, text all facts, json the same for programs, auto short on a terminal and text elsewhere.',
    role: 'plain',
  },
  logKeep: {
    env: 'LOG_KEEP',
    group: 'log',
    kind: word(
      'AGE,ROWS',
      'an age in d or h and a number of requests, such as 30d,1000000',
      Type.String({ pattern: '^\\d{1,5}[hd],\\d{1,9}$' }),
    ),
    default: '30d,1000000',
    about: 'How long the list of requests keeps a request, and how many it keeps at most.',
    role: 'plain',
  },
  capture: {
    env: 'CAPTURE',
    group: 'log',
    kind: choice(captureModes),
    default: 'metadata',
    about:
      'What is kept of requests for the operator: off nothing, metadata all but their content, memory also the last bodies, disk these as files in the state folder. Secrets are taken out of what is shown and of files.',
    role: 'plain',
  },
  captureMb: {
    env: 'CAPTURE_MB',
    group: 'log',
    kind: wholeNumber(1, 16_384),
    default: '64',
    about:
      'Memory for captured requests, their headers included, in MB; one message gets an eighth of it at most, and the rest is cut. With CAPTURE=disk, for those that are not written yet.',
    role: 'plain',
  },
  captureDiskMb: {
    env: 'CAPTURE_DISK_MB',
    group: 'log',
    kind: wholeNumber(1, 1_048_576),
    default: '1024',
    about:
      'Room for the files of CAPTURE=disk, in MB; the oldest are removed first, also where LOG_KEEP would keep them.',
    role: 'plain',
  },
  metrics: {
    env: 'METRICS',
    group: 'log',
    kind: onOff,
    default: 'true',
    about: 'Serve GET /metrics for Prometheus, behind AUTH_TOKEN where it is set.',
    role: 'plain',
  },
  metricsPort: {
    env: 'METRICS_PORT',
    group: 'log',
    kind: wholeNumber(0, 65_535),
    default: '0',
    about: 'Port of 127.0.0.1 that serves /metrics as well, without a key; 0 for none.',
    role: 'plain',
  },
  otlpEndpoint: {
    env: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    group: 'log',
    kind: collector,
    default: '',
    about: 'OpenTelemetry collector that is sent one span a request, as OTLP over HTTP; never with content.',
    role: { addressOf: 'collector' },
  },
  otlpHeaders: {
    env: 'OTEL_EXPORTER_OTLP_HEADERS',
    group: 'log',
    kind: headers,
    default: '',
    about: 'Headers for that collector, such as its key; values are percent-encoded.',
    role: { credentialOf: 'collector' },
    secret: true,
  },
} as const satisfies Record<string, Setting>

export type SettingName = keyof typeof settings

export type Settings = { [Name in SettingName]: ValueOf<(typeof settings)[Name]['kind']> }

export type NamedSetting = Setting & { name: SettingName }

/** Every setting in the table's order. */
export const settingList: readonly NamedSetting[] = Object.keys(settings)
  .filter(isSettingName)
  .map((name) => ({ ...settings[name], name }))

function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settings, name)
}

/** The name of the flag without dashes; `undefined` for secrets, which have none. */
export function flagOf(setting: Setting): string | undefined {
  return setting.secret ? undefined : (setting.flag ?? setting.env.toLowerCase().replaceAll('_', '-'))
}

export function tomlKeyOf(setting: Setting): string {
  return setting.toml ?? setting.env.toLowerCase()
}

/** The destination that a credential is sent to; `undefined` if the setting is no credential. */
export function credentialOf({ role }: Setting): Destination | undefined {
  return typeof role === 'object' && 'credentialOf' in role ? role.credentialOf : undefined
}

/** What address a setting decides; `undefined` if it decides none. */
export function addressOf({ role }: Setting): Addressed | undefined {
  return typeof role === 'object' && 'addressOf' in role ? role.addressOf : undefined
}

/** Whether a setting has a value. An empty list counts as none. */
export function isGiven(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined
}

import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { stateFolder } from '../config/folders.ts'
import type { LoadedConfig } from '../config/load.ts'
import { UsageError } from '../config/usage-error.ts'
import type { ListedModel } from '../core/upstream.ts'
import { apiVersion, versionHeader } from '../dialects/anthropic-messages/headers.ts'
import type { Gateway } from '../gateway/index.ts'
import type { Fetch, OutgoingRequest } from '../http-client/send.ts'
import { type Client, clientSetups } from './clients/index.ts'
import type { ClientSetup, ClientTarget, TargetModel } from './clients/setup.ts'
import { hasSecret, readSecret } from './gateway-secret.ts'
import type { Io } from './io.ts'

const probeTimeoutMs = 1_500
/** Longer than the 5 s that the gateway waits for an upstream before it lists only the models it already knows. */
const modelsTimeoutMs = 15_000

/** The URL at which a gateway with this configuration is reached from this machine. */
export function urlOf({ host, listenPort }: { host: string; listenPort: number }): string {
  const anyAddress: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
  const reachable = anyAddress[host] ?? host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${listenPort}`
}

/**
 * What listens at `url`:
 * - `own`: a gateway that has proved to be the user's
 * - `stranger`: a server with the front page of a gateway, which anybody can copy, so it must not get a key
 * - `another`: any other server
 * - `nobody`: nothing that answers HTTP
 */
export async function whoListens(
  url: string,
  fetch: Fetch,
  proves: Proves,
): Promise<'own' | 'stranger' | 'another' | 'nobody'> {
  if (await proves(url)) return 'own'
  try {
    const response = await fetch(`${url}/`, local(probeTimeoutMs))
    return (await response.text()).startsWith('zai2api ') ? 'stranger' : 'another'
  } catch {
    return 'nobody'
  }
}

/** The same check, as a yes or no: whether the user's own gateway listens at that URL. */
export type Proves = (url: string) => Promise<boolean>

export function provesBy({ env }: Io): Proves {
  const secret = readSecret(stateFolder(env))
  return async (url) => secret !== undefined && hasSecret(url, secret)
}

/** The keys for the OpenAI endpoints and the Anthropic endpoints. */
export interface ClientKeys {
  openaiKey: string
  anthropicKey: string
}

/** The keys that clients send. A gateway without a key accepts any, so a stand-in is used. */
export function keysOf({ authToken, anthropicApiKey }: LoadedConfig['config']): ClientKeys {
  const openaiKey = authToken ?? 'anything'
  return { openaiKey, anthropicKey: anthropicApiKey ?? openaiKey }
}

export interface GatewayAddress extends ClientKeys {
  url: string
  /** Sends requests to the gateway, over a socket or directly to an app in this process. */
  fetch: Fetch
}

/** What is needed to read the models of a gateway. */
interface ModelSource {
  /** The models that give replies: a model for embeddings is no choice for a client that chats. */
  models(): Promise<TargetModel[]>
  /** The model's own name for a name that a client may send; `undefined` if no model answers to it. */
  nameOf(name: string): Promise<string | undefined>
}

/** Collects what a client of the gateway needs to know. Errors: UsageError if the gateway refuses the key. */
export function clientTargetOf(client: Client, gateway: GatewayAddress, loaded: LoadedConfig): Promise<ClientTarget> {
  const { usesAnthropicKey }: ClientSetup = clientSetups[client]
  const key = usesAnthropicKey ? gateway.anthropicKey : gateway.openaiKey
  return targetFrom(modelsOver(gateway), { url: gateway.url, key }, loaded)
}

/** The same for a gateway in this process, for clients that have this key. */
export function clientTargetIn(
  gateway: Pick<Gateway, 'models' | 'model'>,
  address: { url: string; key: string },
  loaded: LoadedConfig,
): Promise<ClientTarget> {
  return targetFrom(modelsIn(gateway), address, loaded)
}

async function targetFrom(
  source: ModelSource,
  { url, key }: { url: string; key: string },
  { config, origins }: LoadedConfig,
): Promise<ClientTarget> {
  const models = await source.models()
  const find = (id: string) => models.find((model) => model.id.toLowerCase() === id.toLowerCase())
  const primary = await answering(config.primaryModel ?? anyLarge, source, find)
  return {
    url,
    key,
    models: models.filter(({ id }) => !isVariant(id, find)),
    primary,
    small: find(config.smallModel ?? '') ?? (await answering(anySmall, source, find)),
    named: origins.get('primaryModel') !== 'default',
  }
}

type FindModel = (id: string) => TargetModel | undefined

/** Names of another vendor's models, which the gateway maps to its primary and its small model. */
const anyLarge = 'claude'
const anySmall = 'claude-haiku'

/** The model that answers to a name: the listed model of that name, else the one that the gateway maps the name to. */
async function answering(name: string, source: ModelSource, find: FindModel): Promise<TargetModel> {
  const listedModel = find(name)
  if (listedModel) return listedModel
  const own = (await source.nameOf(name)) ?? name
  return find(own) ?? { id: own }
}

/** What a gateway lists, embeddings included. Errors: UsageError if it refuses the key. */
export async function modelsListedAt(gateway: GatewayAddress): Promise<TargetModel[]> {
  return (await entriesAt(gateway)).map((entry) => ({ ...offered(entry), efforts: [] }))
}

async function entriesAt(gateway: GatewayAddress): Promise<Static<typeof ModelEntry>[]> {
  const body = await read('/v1/models', gateway)
  if (Value.Check(ModelList, body)) return body.data
  throw new UsageError(`the gateway at ${gateway.url} does not list its models`)
}

function modelsOver(gateway: GatewayAddress): ModelSource {
  return {
    async models() {
      const entries = await entriesAt(gateway)
      const efforts = await effortsOver(gateway)
      return entries
        .filter(({ architecture }) => !architecture?.output_modalities?.includes('embeddings'))
        .map((entry) => ({ ...offered(entry), efforts: efforts.get(entry.id) ?? [] }))
    },
    async nameOf(name) {
      const body = await read(`/v1/models/${encodeURIComponent(name)}`, gateway, anthropicShape)
      return Value.Check(NamedModel, body) ? body.display_name : undefined
    },
  }
}

/** The reasoning efforts of each model, which only Anthropic's list has. */
async function effortsOver(gateway: GatewayAddress): Promise<Map<string, string[]>> {
  const body = await read('/v1/models?limit=1000', gateway, anthropicShape)
  if (!Value.Check(CapableModels, body)) return new Map()
  return new Map(
    body.data.map(({ id, capabilities }) => {
      const { effort } = capabilities
      return [id, effortWords.filter((word) => effort[word]?.supported)]
    }),
  )
}

function modelsIn(gateway: Pick<Gateway, 'models' | 'model'>): ModelSource {
  return {
    models: async () => (await gateway.models()).filter(({ embeds }) => embeds === undefined).map(targetModel),
    nameOf: (name) =>
      gateway.model(name).then(
        ({ displayName }) => displayName,
        () => undefined,
      ),
  }
}

function targetModel(model: ListedModel): TargetModel {
  const { id, contextTokens, maxOutputTokens, vision, video, files, price, efforts = [] } = model
  return {
    id,
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    efforts,
    input: ['text', ...(vision ? ['image'] : []), ...(video ? ['video'] : []), ...(files ? ['file'] : [])],
    ...(price === undefined ? {} : { price: { input: price.input, output: price.output, cached: price.cached } }),
  }
}

/** Reads JSON from the gateway. Errors: UsageError if the gateway refuses the key. */
async function read(path: string, { url, openaiKey, fetch }: GatewayAddress, headers: object = {}): Promise<unknown> {
  const response = await fetch(`${url}${path}`, {
    ...local(modelsTimeoutMs),
    headers: { authorization: `Bearer ${openaiKey}`, ...headers },
  })
  if (response.status === 401)
    throw new UsageError(`the gateway at ${url} does not accept the key of this configuration; set its AUTH_TOKEN here`)
  return JSON.parse(await response.text())
}

/** A list of models takes Anthropic's shape for requests with this header. */
const anthropicShape = { [versionHeader]: apiVersion }

/** The efforts that the list names, lowest first. */
const effortWords = ['low', 'medium', 'high', 'xhigh', 'max'] as const

const Support = Type.Optional(Type.Object({ supported: Type.Boolean() }))

const CapableModels = Type.Object({
  data: Type.Array(
    Type.Object({
      id: Type.String(),
      capabilities: Type.Object({
        effort: Type.Object({ low: Support, medium: Support, high: Support, xhigh: Support, max: Support }),
      }),
    }),
  ),
})

/** Anthropic's shape. `display_name` is the model's own name, also if an alias was asked for. */
const NamedModel = Type.Object({ display_name: Type.String() })

const price = Type.Optional(Type.String())

const ModelEntry = Type.Object({
  id: Type.String(),
  context_length: Type.Optional(Type.Number()),
  max_output_tokens: Type.Optional(Type.Number()),
  architecture: Type.Optional(
    Type.Object({
      input_modalities: Type.Array(Type.String()),
      output_modalities: Type.Optional(Type.Array(Type.String())),
    }),
  ),
  pricing: Type.Optional(Type.Object({ prompt: price, completion: price, input_cache_read: price })),
})

const ModelList = Type.Object({ data: Type.Array(ModelEntry) })

function offered(model: Static<typeof ModelEntry>): TargetModel {
  const { id, context_length, max_output_tokens, architecture, pricing } = model
  return {
    id,
    ...(context_length === undefined ? {} : { contextTokens: context_length }),
    ...(max_output_tokens === undefined ? {} : { maxOutputTokens: max_output_tokens }),
    ...(architecture === undefined ? {} : { input: architecture.input_modalities }),
    ...(pricing === undefined ? {} : { price: priceOf(pricing) }),
  }
}

function priceOf({ prompt, completion, input_cache_read }: NonNullable<Static<typeof ModelEntry>['pricing']>) {
  const perMillion = (text: string | undefined) =>
    text === undefined ? undefined : Math.round(Number(text) * 1e12) / 1e6
  return { input: perMillion(prompt), output: perMillion(completion), cached: perMillion(input_cache_read) }
}

/** Whether a name such as `GLM-4.5-Search` only selects an option of another listed model, here `GLM-4.5`. */
function isVariant(id: string, find: FindModel): boolean {
  const base = id.replace(/-(Thinking|NoThinking|Search)$/, '')
  return base !== id && find(base) !== undefined
}

/** Options for a request to this machine, which never goes through a proxy. */
export function local(timeoutMs: number): OutgoingRequest {
  return { signal: AbortSignal.timeout(timeoutMs), proxy: false } as OutgoingRequest
}

import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { stateFolder } from '../config/folders.ts'
import type { LoadedConfig } from '../config/load.ts'
import { UsageError } from '../config/usage-error.ts'
import type { Fetch, OutgoingRequest } from '../http-client/send.ts'
import type { Client, ClientTarget, TargetModel } from './client-setups.ts'
import { hasSecret, readSecret } from './gateway-secret.ts'
import type { Io } from './io.ts'

const probeTimeoutMs = 1_500
/** The gateway waits up to 5 s for an upstream before it lists the models that it knows without it. */
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

/** Whether the user's own gateway listens at that URL. */
export type Proves = (url: string) => Promise<boolean>

export function provesBy({ env }: Io): Proves {
  const secret = readSecret(stateFolder(env))
  return async (url) => secret !== undefined && hasSecret(url, secret)
}

/** The keys for the OpenAI endpoints and the Anthropic endpoints. */
export interface Keys {
  openaiKey: string
  anthropicKey: string
}

/** The keys that clients send. A gateway without a key accepts any, so a stand-in is used. */
export function keysOf({ authToken, anthropicApiKey }: LoadedConfig['config']): Keys {
  const openaiKey = authToken ?? 'anything'
  return { openaiKey, anthropicKey: anthropicApiKey ?? openaiKey }
}

export interface GatewayAddress extends Keys {
  url: string
  /** Sends requests to the gateway, over a socket or directly to an app in this process. */
  fetch: Fetch
}

/** Collects what a client of the gateway needs to know. Errors: UsageError if the gateway refuses the key. */
export async function clientTargetOf(
  client: Client,
  gateway: GatewayAddress,
  { config, origins }: LoadedConfig,
): Promise<ClientTarget> {
  const models = await offeredModels(gateway)
  const find = (id: string) => models.find((model) => model.id.toLowerCase() === id.toLowerCase())
  const primary = await answering(config.primaryModel ?? anyLarge, gateway, find)
  return {
    url: gateway.url,
    key: client === 'claude' || client === 'anthropic' ? gateway.anthropicKey : gateway.openaiKey,
    models: models.filter(({ id }) => !isVariant(id, find)),
    primary,
    small: find(config.smallModel ?? '') ?? (await answering(anySmall, gateway, find)),
    named: origins.get('primaryModel') !== 'default',
  }
}

type FindModel = (id: string) => TargetModel | undefined

/** Names of another vendor's models, which the gateway maps to its primary and its small model. */
const anyLarge = 'claude'
const anySmall = 'claude-haiku'

/** The model that answers to a name: the listed model of that name, else the one that the gateway maps the name to. */
async function answering(name: string, gateway: GatewayAddress, find: FindModel): Promise<TargetModel> {
  const listedModel = find(name)
  if (listedModel) return listedModel
  const body = await read(`/v1/models/${encodeURIComponent(name)}`, gateway, { 'anthropic-version': '2023-06-01' })
  if (!Value.Check(NamedModel, body)) return { id: name }
  return find(body.display_name) ?? { id: body.display_name }
}

async function offeredModels(gateway: GatewayAddress): Promise<TargetModel[]> {
  const body = await read('/v1/models', gateway)
  if (!Value.Check(ModelList, body)) throw new UsageError(`the gateway at ${gateway.url} does not list its models`)
  return body.data.map(offered)
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

/** Anthropic's shape. `display_name` is the model's own name, also if an alias was asked for. */
const NamedModel = Type.Object({ display_name: Type.String() })

const price = Type.Optional(Type.String())

const ListedModel = Type.Object({
  id: Type.String(),
  context_length: Type.Optional(Type.Number()),
  max_output_tokens: Type.Optional(Type.Number()),
  architecture: Type.Optional(Type.Object({ input_modalities: Type.Array(Type.String()) })),
  pricing: Type.Optional(Type.Object({ prompt: price, completion: price, input_cache_read: price })),
})

const ModelList = Type.Object({ data: Type.Array(ListedModel) })

function offered(model: Static<typeof ListedModel>): TargetModel {
  const { id, context_length, max_output_tokens, architecture, pricing } = model
  return {
    id,
    ...(context_length === undefined ? {} : { contextTokens: context_length }),
    ...(max_output_tokens === undefined ? {} : { maxOutputTokens: max_output_tokens }),
    ...(architecture === undefined ? {} : { input: architecture.input_modalities }),
    ...(pricing === undefined ? {} : { price: priceOf(pricing) }),
  }
}

function priceOf({ prompt, completion, input_cache_read }: NonNullable<Static<typeof ListedModel>['pricing']>) {
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
function local(timeoutMs: number): OutgoingRequest {
  return { signal: AbortSignal.timeout(timeoutMs), proxy: false } as OutgoingRequest
}

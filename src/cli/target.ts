import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { UsageError } from '../config/usage-error.ts'
import type { LoadedConfig } from '../config.ts'
import type { Fetch, Outgoing } from '../wire/http.ts'
import type { Client, OfferedModel, Target } from './recipes.ts'

const probeTimeoutMs = 1_500
/** An upstream that does not answer is waited for 5 s before the models known without it are told. */
const modelsTimeoutMs = 15_000

/** Where a gateway of this configuration would be found from this machine. */
export function urlOf({ host, listenPort }: { host: string; listenPort: number }): string {
  const anyAddress: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
  const reachable = anyAddress[host] ?? host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${listenPort}`
}

/** Who listens there: one of ours says so on its first page. */
export async function whoListens(url: string, fetch: Fetch): Promise<'zai2api' | 'another' | 'nobody'> {
  try {
    const response = await fetch(`${url}/`, local(probeTimeoutMs))
    return (await response.text()).startsWith('zai2api ') ? 'zai2api' : 'another'
  } catch {
    return 'nobody'
  }
}

/** The keys of the two surfaces. */
export interface Keys {
  openaiKey: string
  anthropicKey: string
}

/** What clients send, where any key will do, too. */
export function keysOf({ authToken, anthropicApiKey }: LoadedConfig['config']): Keys {
  const openaiKey = authToken ?? 'anything'
  return { openaiKey, anthropicKey: anthropicApiKey ?? openaiKey }
}

export interface Place extends Keys {
  url: string
  /** The way there, which may be no socket. */
  fetch: Fetch
}

/** What a client of the gateway has to be told. Errors: UsageError where the gateway refuses the key. */
export async function targetOf(client: Client, place: Place, { config, origins }: LoadedConfig): Promise<Target> {
  const models = await offeredModels(place)
  const find = (id: string) => models.find((model) => model.id.toLowerCase() === id.toLowerCase())
  const primary = find(config.primaryModel) ?? { id: config.primaryModel }
  return {
    url: place.url,
    key: client === 'claude' || client === 'anthropic' ? place.anthropicKey : place.openaiKey,
    models: models.filter(({ id }) => !isVariant(id, find)),
    primary,
    small: find(config.smallModel) ?? primary,
    named: origins.get('primaryModel') !== 'default',
  }
}

async function offeredModels({ url, openaiKey, fetch }: Place): Promise<OfferedModel[]> {
  const response = await fetch(`${url}/v1/models`, {
    ...local(modelsTimeoutMs),
    headers: { authorization: `Bearer ${openaiKey}` },
  })
  if (response.status === 401)
    throw new UsageError(`the gateway at ${url} does not accept the key of this configuration; set its AUTH_TOKEN here`)
  const body: unknown = JSON.parse(await response.text())
  if (!Value.Check(ModelList, body)) throw new UsageError(`the gateway at ${url} does not list its models`)
  return body.data.map(offered)
}

const ListedModel = Type.Object({
  id: Type.String(),
  context_length: Type.Optional(Type.Number()),
  max_output_tokens: Type.Optional(Type.Number()),
})

const ModelList = Type.Object({ data: Type.Array(ListedModel) })

function offered({ id, context_length, max_output_tokens }: Static<typeof ListedModel>): OfferedModel {
  return {
    id,
    ...(context_length === undefined ? {} : { contextTokens: context_length }),
    ...(max_output_tokens === undefined ? {} : { maxOutputTokens: max_output_tokens }),
  }
}

/** `GLM-4.5-Search` beside `GLM-4.5`: a way to ask, no model of its own. */
function isVariant(id: string, find: (id: string) => OfferedModel | undefined): boolean {
  const base = id.replace(/-(Thinking|NoThinking|Search)$/, '')
  return base !== id && find(base) !== undefined
}

/** This machine is never asked through a proxy. */
function local(timeoutMs: number): Outgoing {
  return { signal: AbortSignal.timeout(timeoutMs), proxy: false } as Outgoing
}

import { compose } from '../../compose.ts'
import type { Config } from '../../config/load.ts'
import type { ListedModel } from '../../core/upstream.ts'
import { keysOf, modelsListedAt, provesBy, urlOf, whoListens } from '../client-target.ts'
import type { Io } from '../io.ts'

/** What is printed about a model. Some members are missing if a gateway is asked over HTTP. */
type Row = Pick<ListedModel, 'id'> &
  Partial<Pick<ListedModel, 'contextTokens' | 'vision' | 'video' | 'files' | 'price' | 'refused'>>

/**
 * Prints the models that can be requested: of the user's gateway that runs at the configured address, else those that the
 * upstreams of the configuration list now. Errors: UsageError if the gateway refuses the key.
 */
export async function models(config: Config, io: Io, { json }: { json: boolean }): Promise<number> {
  const listed = (await ofRunningGateway(config, io)) ?? (await ofConfiguration(config, io))
  if (json) {
    io.stdout(`${JSON.stringify(listed, undefined, 2)}\n`)
    return 0
  }
  const width = Math.max(...listed.map(({ id }) => id.length))
  for (const model of listed)
    io.stdout(`${`${model.id.padEnd(width)}  ${factsOf(model).filter(Boolean).join(', ')}`.trimEnd()}\n`)
  return 0
}

async function ofConfiguration(config: Config, io: Io): Promise<Row[]> {
  const { gateway } = await compose(config, io.version, { write: io.stderr })
  return await gateway.models()
}

/** `undefined` if no gateway of the user runs there. */
async function ofRunningGateway(config: Config, io: Io): Promise<Row[] | undefined> {
  if (config.listenPort === 0) return undefined
  const url = urlOf(config)
  if ((await whoListens(url, fetch, provesBy(io))) !== 'own') return undefined
  io.stderr(`zai2api: asking the gateway that runs at ${url}\n`)
  const listed = await modelsListedAt({ url, ...keysOf(config), fetch })
  return listed.map(({ id, contextTokens, price, input = [] }) => ({
    id,
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...{ vision: input.includes('image'), video: input.includes('video'), files: input.includes('file') },
    ...(price === undefined ? {} : { price: priceOf(price) }),
  }))
}

/** The price without its unknown members. */
function priceOf(price: { [Kind in keyof Price]: Price[Kind] | undefined }): Price {
  return Object.fromEntries(Object.entries(price).filter(([, dollars]) => dollars !== undefined))
}

type Price = NonNullable<ListedModel['price']>

function factsOf({ contextTokens, vision, video, files, price, refused }: Row): string[] {
  const context = contextTokens === undefined ? '' : `${Math.round(contextTokens / 1000)}K context`
  const dollars = price && [price.input, price.cached, price.output].map((each) => each ?? '–').join('/')
  return [
    context,
    vision ? 'vision' : '',
    video ? 'video' : '',
    files ? 'files' : '',
    dollars === undefined ? '' : `$${dollars} a million tokens`,
    refused ? 'refused to this key' : '',
  ]
}

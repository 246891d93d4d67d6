import { compose } from '../../compose.ts'
import type { Config } from '../../config/load.ts'
import type { ListedModel } from '../../core/upstream.ts'
import type { Io } from '../io.ts'

/** Prints the models that can be requested, as the upstreams list them now. */
export async function models(config: Config, io: Io, { json }: { json: boolean }): Promise<number> {
  const { gateway } = await compose(config, io.version, { write: io.stderr })
  const listed = await gateway.models()
  if (json) {
    io.stdout(`${JSON.stringify(listed, undefined, 2)}\n`)
    return 0
  }
  const width = Math.max(...listed.map(({ id }) => id.length))
  for (const model of listed)
    io.stdout(`${`${model.id.padEnd(width)}  ${factsOf(model).filter(Boolean).join(', ')}`.trimEnd()}\n`)
  return 0
}

function factsOf({ contextTokens, vision, video, files, price, refused }: ListedModel): string[] {
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

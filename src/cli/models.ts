import type { Config } from '../config.ts'
import { assemble } from './gateway.ts'
import type { Io } from './io.ts'

/** Prints the models that can be asked for, as the upstreams tell them now. */
export async function models(config: Config, io: Io, { json }: { json: boolean }): Promise<number> {
  const { gateway } = await assemble(config, io.version, { write: io.stderr })
  const listed = await gateway.models()
  if (json) {
    io.stdout(`${JSON.stringify(listed, undefined, 2)}\n`)
    return 0
  }
  const width = Math.max(...listed.map(({ id }) => id.length))
  for (const { id, contextTokens, vision } of listed) {
    const context = contextTokens === undefined ? '' : `${Math.round(contextTokens / 1000)}K context`
    io.stdout(`${`${id.padEnd(width)}  ${[context, vision ? 'vision' : ''].filter(Boolean).join(', ')}`.trimEnd()}\n`)
  }
  return 0
}

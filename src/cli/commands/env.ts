import { compose } from '../../compose.ts'
import type { LoadedConfig } from '../../config/load.ts'
import { type Client, type ClientSetup, type ClientTarget, clientSetups } from '../client-setups.ts'
import { clientTargetOf, keysOf, provesBy, urlOf, whoListens } from '../client-target.ts'
import type { Io } from '../io.ts'
import { type Shell, shellOf, shells } from '../shell-syntax.ts'

export interface EnvOptions {
  client: Client
  /** `undefined` for the one of `SHELL`. */
  shell: Shell | undefined
}

/** Prints what a client of the configured gateway needs, ready for a shell or for the client's own file. */
export async function env(loaded: LoadedConfig, io: Io, { client, shell }: EnvOptions): Promise<number> {
  const target = await configured(client, loaded, io)
  const speech = shells[shell ?? shellOf(io.env)]
  const { snippet, variables }: ClientSetup = clientSetups[client]
  const lines = variables(target).flatMap(({ name, value, why }) => [
    `# ${why}`,
    value === undefined ? speech.unset(name) : speech.set(name, value),
  ])
  if (snippet === undefined) {
    io.stdout(`${lines.join('\n')}\n`)
    return 0
  }
  const key = speech.set('ZAI2API_KEY', target.key)
  io.stdout(`# Into ${snippet.file}:\n${snippet.text(target)}\n\n# Into the start-up file of your shell:\n${key}\n`)
  return 0
}

/** As the gateway that runs tells it, else as it would tell it if it ran. */
async function configured(client: Client, loaded: LoadedConfig, io: Io): Promise<ClientTarget> {
  const { config } = loaded
  const gateway = { url: urlOf(config), ...keysOf(config) }
  const listener = config.listenPort === 0 ? 'nobody' : await whoListens(gateway.url, fetch, provesBy(io))
  if (listener === 'own') return clientTargetOf(client, { ...gateway, fetch }, loaded)
  if (listener !== 'nobody')
    io.stderr(
      `zai2api: what listens at ${gateway.url} does not prove to be your gateway; do not use this before it is\n`,
    )
  const { app } = await compose({ ...config, logLevel: 'off' }, io.version, { write: io.stderr })
  return clientTargetOf(client, { ...gateway, fetch: (url, init) => app.handle(new Request(url, init)) }, loaded)
}

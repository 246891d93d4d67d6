import { compose } from '../../compose.ts'
import type { LoadedConfig } from '../../config/load.ts'
import { type Client, type ClientSetup, type ClientTarget, clientSetups } from '../client-setups.ts'
import { clientTargetOf, keysOf, provesBy, urlOf, whoListens } from '../client-target.ts'
import type { Io } from '../io.ts'
import { type Shell, shellOf, shells } from '../shell-syntax.ts'

export interface EnvOptions {
  client: Client
  /** `undefined` stands for the shell named by the variable SHELL. */
  shell: Shell | undefined
}

/** Prints what a client of the targetFor gateway needs, ready for a shell or for the client's own file. */
export async function env(loaded: LoadedConfig, io: Io, { client, shell }: EnvOptions): Promise<number> {
  const target = await targetFor(client, loaded, io)
  const syntax = shells[shell ?? shellOf(io.env)]
  const { snippet, variables }: ClientSetup = clientSetups[client]
  const lines = variables(target).flatMap(({ name, value, why }) => [
    `# ${why}`,
    value === undefined ? syntax.unset(name) : syntax.set(name, value),
  ])
  if (snippet === undefined) {
    io.stdout(`${lines.join('\n')}\n`)
    return 0
  }
  const key = syntax.set('ZAI2API_KEY', target.key)
  io.stdout(`# Into ${snippet.file}:\n${snippet.text(target)}\n\n# Into the start-up file of your shell:\n${key}\n`)
  return 0
}

/** Asks the running gateway for the client's target. Without one, an app in this process answers the same questions. */
async function targetFor(client: Client, loaded: LoadedConfig, io: Io): Promise<ClientTarget> {
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

import { compose } from '../../compose.ts'
import type { LoadedConfig } from '../../config/load.ts'
import { clientTargetOf, keysOf, provesBy, urlOf, whoListens } from '../client-target.ts'
import { type Client, clientSetups } from '../clients/index.ts'
import type { ClientSetup, ClientTarget } from '../clients/setup.ts'
import type { Io } from '../io.ts'
import { setupText } from '../setup-text.ts'
import { type Shell, shellOf } from '../shell-syntax.ts'
import { withStateFile } from '../state-file.ts'

export interface EnvOptions {
  client: Client
  /** `undefined` stands for the shell named by the variable SHELL. */
  shell: Shell | undefined
}

/** Prints what a client of the gateway needs, ready for a shell or for the client's own file. */
export async function env(loaded: LoadedConfig, io: Io, { client, shell }: EnvOptions): Promise<number> {
  const setup: ClientSetup = clientSetups[client]
  const asked = await targetFor(client, loaded, io)
  // What only the launcher needs is not printed.
  const target = setup.stateFile?.isNeeded ? asked : withStateFile(asked, setup, io)
  io.stdout(setupText(client, target, shell ?? shellOf(io.env)))
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

import { chatClients } from './chat.ts'
import { editorClients } from './editors.ts'
import { launchedClients } from './launched.ts'
import { libraryClients } from './libraries.ts'
import type { ClientSetup } from './setup.ts'
import { terminalClients } from './terminal.ts'

/** Every client that `zai2api env` and the page can set up, in the order in which they are listed. */
export const clientSetups = {
  ...launchedClients,
  ...libraryClients,
  ...terminalClients,
  ...editorClients,
  ...chatClients,
} as const satisfies Record<string, ClientSetup>

export type Client = keyof typeof clientSetups

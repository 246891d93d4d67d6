import { apiServices } from '../config/api-services.ts'
import { type ClientProgram, programNames, programs } from './client-programs.ts'
import { clientSetups } from './clients/index.ts'

type Launcher = { about: string; readonly flags: readonly ['settings']; readonly takes: 'arguments' }

/** One for each client that is run. */
function launchers(): Record<ClientProgram, Launcher> {
  const entries = programNames.map((name): [ClientProgram, Launcher] => {
    const about = `Run ${programs[name].title} on the gateway, which is started if it does not run yet.`
    return [name, { about, flags: ['settings'], takes: 'arguments' }]
  })
  return Object.fromEntries(entries) as Record<ClientProgram, Launcher>
}

/** All commands, in the order of the help. */
export const commandTable = {
  setup: {
    about: 'Ask for a key and a client, try both, and write your configuration file.',
    more: "Without a terminal the key comes from ZAI_API_KEY or --key-file, and nothing is asked. A server with OpenAI's API needs no setup: it stands as [[upstreams]] in zai2api.toml.",
    flags: [],
    options: {
      client: { placeholder: 'NAME', about: `Who is to use it: ${Object.keys(clientSetups).join(', ')}.` },
      'key-file': { placeholder: 'PATH', about: 'A file with the key; - is standard input.' },
      service: {
        placeholder: 'NAME',
        about: `Whose key it is: ${apiServices.join(', ')}, or the URL of a server of your own that ends in /v4; found out unless told, also by ZAI_API_BASE.`,
      },
      untested: { about: 'Write the file without asking anything of the network.' },
    },
  },
  serve: { about: 'Answer API requests; this is what runs when no command is named.', flags: ['settings'] },
  demo: { about: 'Answer API requests with a scripted model: no network, no account.', flags: ['settings'] },
  ...launchers(),
  env: {
    about: 'Print what a client needs: lines for a shell, text for its file, or its fields.',
    more: `Clients: ${Object.keys(clientSetups).join(', ')}.`,
    flags: ['settings', 'shell'],
    takes: 'client',
  },
  models: {
    about: 'List the models that can be asked for.',
    more: 'Your gateway at HOST and LISTEN_PORT is asked; where none runs, the upstreams of this configuration are.',
    flags: ['settings', 'json'],
  },
  quota: {
    about: 'Show how much of the plan behind ZAI_API_KEY is used, and when it resets.',
    flags: ['settings', 'json'],
  },
  key: {
    about: 'Give keys to clients, each with its own models, limits and budgets.',
    more: 'They work beside a running server with the same database, whose other settings are not read here.',
    flags: ['settings', 'json', 'key'],
    takes: 'action',
  },
  db: {
    about: 'Show the database, bring it up to date, or copy it: export to a file, import from one.',
    flags: ['settings', 'json'],
    takes: 'database',
  },
  service: {
    about: 'Run the gateway in the background, and again after a restart of the machine.',
    more: 'By systemd on Linux, by launchd on macOS, by the Task Scheduler on Windows.',
    flags: [],
    takes: 'service',
    options: {
      'dry-run': { about: 'Print what would be written and run.' },
      user: { about: 'For you alone; the default unless root asks.' },
      system: { about: 'For all users of the machine, under a user of its own; Linux only.' },
      follow: { about: 'logs: go on until Ctrl-C.' },
      purge: { about: 'uninstall: remove settings and data, too: keys, usage, all that the gateway has stored.' },
    },
  },
  doctor: {
    about: 'Check all from the configuration to one small answer, and say what to mend.',
    flags: ['settings', 'json', 'offline'],
  },
  config: { about: 'Show every setting, its value and where the value comes from.', flags: ['settings', 'json'] },
  update: {
    about: 'Replace this executable by that of a newer release.',
    more: 'Checksum and signature are checked, and the old file stays until the new one has run.',
    flags: [],
    options: {
      check: { about: 'Only say whether there is one; the exit code is 1 then.' },
      from: {
        placeholder: 'BASE',
        about: 'The release: an address or a folder; else ZAI2API_RELEASES, or where this build is from.',
      },
      'release-key': {
        placeholder: 'PATH',
        about: 'The public key, zai2api.pub beside the release, instead of the one of this build.',
      },
    },
  },
  completions: {
    about: 'Print what makes a shell complete commands and flags: bash, zsh, fish or powershell.',
    flags: [],
    takes: 'shell',
  },
  help: { about: 'Explain a command, a setting, or all settings.', flags: [], takes: 'topic' },
  version: { about: 'Print the version.', flags: [] },
} as const satisfies Record<string, CommandRow>

interface CommandRow {
  /** Fits one line of the help: at most 83 characters. */
  about: string
  /** Text that appears only in the command's own help. */
  more?: string
  /** Flags of this command alone, by name. One without `placeholder` takes no value. */
  options?: Readonly<Record<string, CommandOption>>
  flags: readonly ('settings' | 'json' | 'offline' | 'shell' | 'key')[]
  /**
   * What may follow the command: arguments that are passed on unchanged, the name of a client or a shell, a topic of the
   * help, or an action (of clients, of `db`, of `service`).
   */
  takes?: 'arguments' | 'client' | 'action' | 'database' | 'service' | 'shell' | 'topic'
}

export interface CommandOption {
  placeholder?: string
  about: string
}

export type CommandName = keyof typeof commandTable

export function rowOf(command: CommandName): CommandRow {
  return commandTable[command]
}

/** The flags that only some commands have, by name. Commands that share a name share its meaning. */
export const commandOptions: ReadonlyMap<string, CommandOption> = new Map(
  Object.keys(commandTable).flatMap((name) => (isCommand(name) ? Object.entries(rowOf(name).options ?? {}) : [])),
)

export function isCommand(word: string): word is CommandName {
  return Object.hasOwn(commandTable, word)
}

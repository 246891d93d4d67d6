import { grouped } from '../config/documents.ts'
import type { Setting } from '../config/setting.ts'
import { flagOf, settingList, settings, tomlKeyOf } from '../config/table.ts'
import { fieldsOf } from '../config/upstream-rows.ts'
import { didYouMean, printable, UsageError } from '../config/usage-error.ts'
import { onOff } from '../config/value-kinds.ts'
import { productSummary } from '../core/product-summary.ts'
import { markers } from '../upstreams/demo/markers.ts'
import { upstreamKinds } from '../upstreams/index.ts'
import type { UpstreamKind } from '../upstreams/upstream-kind.ts'
import { programNames } from './client-programs.ts'
import { type CommandName, commandTable, isCommand, rowOf } from './command-table.ts'
import { databaseActions } from './db-actions.ts'
import { keyActions, keyFlags } from './key-actions.ts'
import { serviceActions } from './service-options.ts'
import { shells } from './shell-syntax.ts'

/** In characters: the column at which the meaning of a flag or command begins, and the longest line. */
const margin = 32
const commandMargin = 15
const width = 100

/** What `zai2api --help` prints: at most 40 lines. */
export function programHelp(): string {
  return page([
    [`zai2api: the ${productSummary}, from one executable.`],
    ['Usage: zai2api [command] [flags]'],
    ['Commands:', ...commandRows()],
    ['Flags used most:', ...frequentFlagsOf(), ...commonFlags],
    [
      'zai2api help COMMAND, zai2api help SETTING and zai2api help settings tell more. Examples:',
      '  ZAI_API_KEY=… zai2api                     serve on http://127.0.0.1:8080',
      '  zai2api demo --port 9000                  try a client without network or account',
      '  zai2api doctor                            find out what does not work',
    ],
  ])
}

/** The clients that are run share one row. */
function commandRows(): string[] {
  const about = 'Run that client on the gateway, which is started if it does not run yet.'
  const launchers = [`  ${programNames.join(' ')}`, ' '.repeat(commandMargin) + about]
  return Object.entries(commandTable).flatMap(([name, { about }]) => {
    if (programNames.some((program) => program === name)) return name === programNames[0] ? launchers : []
    return commandRow(name, about)
  })
}

/** What `zai2api COMMAND --help` prints. */
export function commandHelp(command: CommandName): string {
  const { about, more, flags, takes, options = {} } = rowOf(command)
  const own = [
    ...Object.entries(options).flatMap(([name, { placeholder = '', about }]) => row(`--${name} ${placeholder}`, about)),
    ...ownFlags.flatMap(([flag, usage, meaning]) => (flags.includes(flag) ? row(usage, meaning) : [])),
  ]
  return page([
    [takes === undefined ? `Usage: zai2api ${command} [flags]` : usageOf[takes](command)],
    wrapped(more === undefined ? about : `${about} ${more}`, 0),
    ...(takes === 'arguments' ? [passedOn(command)] : []),
    ...(takes === 'topic' ? [topicSection] : []),
    ...(command === 'demo' ? [markerSection] : []),
    ...(command === 'service' ? [serviceSection] : []),
    ...(command === 'db' ? [databaseSection] : []),
    ...(command === 'key' ? [actionSection, memberSection] : []),
    ['Flags:', ...own, ...(flags.includes('settings') ? frequentFlagsOf(command) : []), ...commonFlags],
    ...(flags.includes('settings')
      ? [['Every other setting is a flag of it, too: zai2api help settings lists them.']]
      : []),
  ])
}

/**
 * What follows `zai2api help`: the program, a command, `settings`, or one setting by its variable, flag or TOML
 * key. Errors: UsageError for anything else.
 */
export function helpOn(topic: string | undefined): string {
  if (topic === undefined) return programHelp()
  const word = normalised(topic)
  if (word === allSettings) return page(settingSections())
  if (isCommand(word)) return commandHelp(word)
  const setting = settingList.find((each) => namesOf(each).includes(word))
  if (setting !== undefined) return settingHelp(setting)
  const hint = didYouMean(word, [...Object.keys(commandTable), allSettings, ...settingList.flatMap(namesOf)])
  throw new UsageError(`nothing is called ${printable(topic)}; ${hint}zai2api help and zai2api help settings list all`)
}

const allSettings = 'settings'

/** `--no-tool-support`, `TOOL_SUPPORT` and `tool-support` name the same setting. */
function normalised(topic: string): string {
  return topic
    .toLowerCase()
    .replace(/^--(no-)?/, '')
    .replaceAll('-', '_')
}

function namesOf(setting: Setting): string[] {
  return [setting.env, flagOf(setting) ?? setting.env, tomlKeyOf(setting)].map(normalised)
}

/** Everything about one setting. */
function settingHelp(setting: Setting): string {
  const flag = flagOf(setting)
  return page([
    wrapped(`${setting.env}: ${setting.about}`, 0),
    [
      ...row('Allowed', setting.kind.allowed),
      ...row('Default', setting.default === '' ? 'not set' : setting.default),
      ...row('Flag', flag === undefined ? 'none, since other users can read a command line' : flagUsage(setting, flag)),
      ...row('Variable, also in .env', setting.env),
      ...row('Key in zai2api.toml', tomlKeyOf(setting)),
    ],
    ...(setting.env === settings.upstreams.env ? upstreamKinds.flatMap(rowSection) : []),
    ['zai2api config shows what is in force.'],
  ])
}

/** The fields of `[[upstreams]]` for one kind, if it has rows. */
function rowSection({ id, title, row: schema }: UpstreamKind): string[][] {
  if (schema === undefined) return []
  const fields = fieldsOf(schema).flatMap(({ name, about, allowed, byDefault }) =>
    row(name, `${about} Must be ${allowed}.${byDefault === undefined ? '' : ` [${byDefault}]`}`),
  )
  return [[`Fields of [[upstreams]] in zai2api.toml with kind = "${id}" (${title}):`, ...fields]]
}

const topicSection = [
  'Topics:',
  ...row('COMMAND', 'What the command does, and its flags.'),
  ...row(allSettings, 'All settings, with their flags and defaults.'),
  ...row('SETTING', 'One setting, by its variable, flag or TOML key: LISTEN_PORT, --port, listen_port.'),
]

const usageOf = {
  arguments: (command: CommandName) => `Usage: zai2api [flags] ${command} [arguments of ${command}]`,
  client: (command: CommandName) => `Usage: zai2api ${command} CLIENT [flags]`,
  action: (command: CommandName) => `Usage: zai2api ${command} ACTION [KEY] [flags]`,
  database: (command: CommandName) => `Usage: zai2api ${command} ACTION [FILE] [flags]`,
  service: (command: CommandName) => `Usage: zai2api ${command} ACTION [flags]`,
  shell: (command: CommandName) => `Usage: zai2api ${command} SHELL`,
  topic: (command: CommandName) => `Usage: zai2api ${command} [TOPIC]`,
}

function passedOn(command: CommandName): string[] {
  return [
    `Everything after ${command} is passed to it unchanged, --help included. Put zai2api flags before it.`,
    'Its own configuration stays as it is. The gateway that listens at HOST and LISTEN_PORT is used;',
    'where none does, one runs for as long as the client, on a free port with a key of its own.',
  ]
}

const ownFlags = [
  ['shell', `--shell ${Object.keys(shells).join('|')}`, 'The shell to write for; the one of SHELL unless told.'],
  ['json', '--json', 'Print JSON.'],
  ['offline', '--offline', 'Ask nothing of the network: configuration, proxy and port alone.'],
] as const

const commonFlags = [
  ...row('-h, --help', 'Print the help of the program, or of the command that is named.'),
  ...row('-v, --version', 'Print the version.'),
]

/** One line each, so that the help of the program fits a screen. A key has upstreams of its own. */
function frequentFlagsOf(command?: CommandName): string[] {
  return command === 'key' ? [...addressFlags, ...configFlag] : [...addressFlags, ...upstreamFlag, ...configFlag]
}

const addressFlags = [...row('--port NUMBER', settings.listenPort.about), ...row('--host HOST', settings.host.about)]

const upstreamFlag = row('--upstreams NAMES', 'Where answers come from, in this order: zai-api, zai-web, demo.')

const configFlag = [...row('--config PATH', 'A TOML file with settings; ./zai2api.toml is read where it exists.')]

const markerSection = [
  'Markers in the last user message say what the model does:',
  ...markers.flatMap(({ marker, effect }) => row(marker, effect)),
]

const databaseSection = [
  'Actions:',
  ...Object.entries(databaseActions).flatMap(([name, { takesFile, about }]) =>
    row(takesFile ? `${name} FILE` : name, about),
  ),
]

const serviceSection = ['Actions:', ...Object.entries(serviceActions).flatMap(([name, about]) => row(name, about))]

const actionSection = [
  'Actions; KEY is the name, the id or the beginning of the secret of a key:',
  ...Object.entries(keyActions).flatMap(([name, { takes, about }]) =>
    row([name, ...takes.map((what) => (what === 'key' ? 'KEY' : 'flags'))].join(' '), about),
  ),
]

const memberSection = [
  'What a key may do:',
  ...Object.entries(keyFlags).flatMap(([name, { placeholder, about }]) => row(`--${name} ${placeholder}`, about)),
]

function settingSections(): string[][] {
  const precedence = [
    'Settings come from flags, then environment variables, then .env in the working directory, then a',
    'TOML file (variable names in lower case), then ~/.config/zai2api/zai2api.toml, then defaults. Each',
    'entry below ends in its variable and default. Secrets have no flag, since other users of this',
    'machine can read a command line. A key goes to no address that is named in a place trusted',
    'less than its own: flags and environment most, then --config, then ~/.config, then this folder.',
    '',
  ]
  const file = row('--config PATH', 'The TOML file; ./zai2api.toml is read where it exists. [ZAI2API_CONFIG]')
  const sections = grouped().map(({ title, members }) => [`${title}:`, ...members.flatMap(settingRow)])
  return [[...precedence, ...file], ...sections]
}

function settingRow(setting: Setting): string[] {
  const flag = flagOf(setting)
  const origin = setting.default === '' ? setting.env : `${setting.env}=${setting.default}`
  if (flag === undefined) return row(setting.env, setting.about)
  return row(flagUsage(setting, flag), `${setting.about} [${origin}]`)
}

function flagUsage({ kind }: Setting, flag: string): string {
  return kind === onOff ? `--[no-]${flag}` : `--${flag} ${kind.placeholder}`
}

function commandRow(name: string, about: string): string[] {
  const [first = '', ...rest] = wrapped(about, commandMargin)
  return [`  ${name.padEnd(commandMargin - 2)}${first}`, ...rest.map((line) => ' '.repeat(commandMargin) + line)]
}

/** A name and its meaning in two columns. A name that is too long for its column gets a line of its own. */
function row(name: string, meaning: string): string[] {
  const indent = ' '.repeat(margin)
  const lines = wrapped(meaning, margin).map((line) => indent + line)
  const label = `  ${name}`
  if (label.length > margin - 2) return [label, ...lines]
  const [first = '', ...rest] = lines
  return [label.padEnd(margin) + first.slice(margin), ...rest]
}

function wrapped(text: string, margin: number): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? ''
    if (line === '') lines[lines.length - 1] = word
    else if (margin + line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines
}

function page(sections: string[][]): string {
  return `${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`
}

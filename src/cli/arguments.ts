import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import type { Flags } from '../config/sources.ts'
import { flagOf, type NamedSetting, type SettingName, settingList } from '../config/table.ts'
import { didYouMean, printable, UsageError } from '../config/usage-error.ts'
import { onOff } from '../config/value-kinds.ts'
import { type Client, clientSetups } from './clients/index.ts'
import { type CommandName, commandOptions, commandTable, isCommand, rowOf } from './command-table.ts'
import { type CompletionShell, completionShells } from './completions.ts'
import { type KeyMembers, keyFlags } from './key-actions.ts'
import { type Shell, shells } from './shell-syntax.ts'

export interface Invocation {
  command: CommandName
  /** Whether the command line names the command. Otherwise it is the default. */
  named: boolean
  /** Print the help of the command instead of running it. */
  help: boolean
  json: boolean
  offline: boolean
  shell: Shell | undefined
  /** The words behind the command. */
  rest: readonly string[]
  flags: Flags
  members: KeyMembers
  /** The command's own flags. One that takes no value has the value ''. */
  options: ReadonlyMap<string, string>
}

type Flag =
  /** `needs` describes the expected value. */
  | { kind: 'value'; sets: SettingName | 'config' | 'shell'; needs: string }
  | { kind: 'member'; sets: keyof KeyMembers; needs: string }
  /** A flag of some commands alone. Without `needs` it takes no value. */
  | { kind: 'own'; name: string; needs?: string | undefined }
  /** A flag that may have no value, which stands for `alone`. */
  | { kind: 'switch'; sets: SettingName; alone: 'true' | 'false' }
  | { kind: 'option'; option: 'json' | 'offline' | 'help' | 'version' }

/** Parses a command line. Errors: UsageError for an unknown command, flag or argument, and for a flag without its value. */
export function parseCommandLine(argv: readonly string[]): Invocation {
  const { words, given, rest } = tokensOf(argv)
  const command = commandOf(words)
  const flags = new Map<SettingName | 'config', string>()
  const options = new Set<string>()
  const members: Partial<Record<keyof KeyMembers, string>> = {}
  const own = new Map<string, string>()
  let shell: string | undefined
  for (const { typed, flag: known, value } of given) {
    const flag = meantBy(known, command)
    if (!isAllowedFor(flag, command))
      throw new UsageError(`flag ${typed} does not belong to zai2api ${command}; see zai2api ${command} --help`)
    switch (flag.kind) {
      case 'value':
        if (flag.sets === 'shell') shell = value
        else flags.set(flag.sets, value ?? '')
        break
      case 'member':
        // The values of a flag that is given twice are combined.
        members[flag.sets] = members[flag.sets] === undefined ? (value ?? '') : `${members[flag.sets]},${value}`
        break
      case 'own':
        own.set(flag.name, value ?? '')
        break
      case 'switch':
        flags.set(flag.sets, value ?? flag.alone)
        break
      case 'option':
        options.add(flag.option)
        break
      default:
        flag satisfies never
    }
  }
  return {
    command: options.has('version') ? 'version' : command,
    named: words.length > 0,
    help: options.has('help'),
    json: options.has('json'),
    offline: options.has('offline'),
    shell: shell === undefined ? undefined : oneOf(shells, shell, 'shell'),
    rest,
    flags,
    members,
    options: own,
  }
}

const knownFlags = new Map<string, Flag>([
  ...Object.entries(keyFlags).map(([name, { placeholder }]): [string, Flag] => [
    name,
    { kind: 'member', sets: name as keyof KeyMembers, needs: placeholder },
  ]),
  ...settingList.flatMap(settingFlags),
  ['config', { kind: 'value', sets: 'config', needs: 'the path of a TOML file' }],
  ['shell', { kind: 'value', sets: 'shell', needs: Object.keys(shells).join(', ') }],
  ...[...commandOptions].map(([name, { placeholder: needs }]): [string, Flag] => [name, { kind: 'own', name, needs }]),
  ['json', { kind: 'option', option: 'json' }],
  ['offline', { kind: 'option', option: 'offline' }],
  ['help', { kind: 'option', option: 'help' }],
  ['version', { kind: 'option', option: 'version' }],
])

function settingFlags(setting: NamedSetting): [string, Flag][] {
  const name = flagOf(setting)
  const sets = setting.name
  if (name === undefined) return []
  if (setting.kind !== onOff) return [[name, { kind: 'value', sets, needs: setting.kind.allowed }]]
  return [
    [name, { kind: 'switch', sets, alone: 'true' }],
    [`no-${name}`, { kind: 'switch', sets, alone: 'false' }],
  ]
}

interface GivenFlag {
  /** `--port`, as typed. */
  typed: string
  flag: Flag
  value: string | undefined
}

interface Tokens {
  words: string[]
  given: GivenFlag[]
  /** All arguments after a command of `takesAll`; for any other command, the words after it. */
  rest: readonly string[]
}

/** Arguments after which nothing is read as a flag of this program, whatever it looks like: `zai2api help --port`. */
const takesAll: readonly unknown[] = ['arguments', 'topic']

/** Splits the command line into words without dashes and known flags with checked values. */
function tokensOf(argv: readonly string[]): Tokens {
  const words: string[] = []
  const given: GivenFlag[] = []
  // A switch whose value may be the next word: `parseArgs` understands `--tool-support=false`, but not with a space.
  let open: GivenFlag | undefined
  for (const token of parsed(argv)) {
    if (token.kind === 'option') {
      const flag = knownFlags.get(token.name)
      if (!flag) throw unknownFlag(token.rawName)
      const taken = { typed: token.rawName, flag, value: checkedValue(flag, token) }
      given.push(taken)
      open = flag.kind === 'switch' && flag.alone === 'true' && taken.value === undefined ? taken : undefined
    } else if (token.kind === 'positional') {
      if (open && onOff.read(token.value) !== undefined) open.value = token.value
      else words.push(token.value)
      open = undefined
      const [word] = words
      if (word !== undefined && isCommand(word) && takesAll.includes(rowOf(word).takes))
        return { words, given, rest: argv.slice(token.index + 1) }
    }
  }
  return { words, given, rest: words.slice(1) }
}

function parsed(argv: readonly string[]) {
  const options: ParseArgsOptionsConfig = {}
  for (const [name, flag] of knownFlags) options[name] = { type: takesValue(flag) ? 'string' : 'boolean' }
  options.help = { type: 'boolean', short: 'h' }
  options.version = { type: 'boolean', short: 'v' }
  // `strict` is off, because its own errors take several lines and do not list what is allowed.
  return parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true }).tokens
}

interface OptionToken {
  rawName: string
  value?: string | undefined
  inlineValue?: boolean | undefined
}

function checkedValue(flag: Flag, { rawName, value, inlineValue }: OptionToken): string | undefined {
  if (takesValue(flag)) {
    // In `--host --port 80` the host is missing. A value that begins with dashes needs an equals sign: `--host=--port`.
    if (value !== undefined && (inlineValue || !value.startsWith('--'))) return value
    throw new UsageError(`flag ${rawName} on the command line needs a value: ${flag.needs}`)
  }
  if (value === undefined || (flag.kind === 'switch' && flag.alone === 'true')) return value
  throw new UsageError(`flag ${rawName} on the command line takes no value`)
}

function takesValue(flag: Flag): flag is Extract<Flag, { needs?: string | undefined }> & { needs: string } {
  return 'needs' in flag && flag.needs !== undefined
}

function unknownFlag(typed: string): UsageError {
  const name = typed.replace(/^-+/, '')
  const hidden = settingList.find(({ secret, env }) => secret && env === name.toUpperCase().replaceAll('-', '_'))
  if (hidden)
    return new UsageError(
      `unknown flag ${typed} on the command line, which other users can read; set ${hidden.env} in the environment or in .env`,
    )
  const hint = didYouMean(name, [...knownFlags.keys()], '--')
  return new UsageError(
    `unknown flag ${printable(typed)} on the command line; ${hint}zai2api help settings lists what is allowed`,
  )
}

function commandOf([word = 'serve', extra]: readonly string[]): CommandName {
  const names = Object.keys(commandTable)
  if (!isCommand(word))
    throw new UsageError(
      `unknown command ${printable(word)} on the command line; ${didYouMean(word, names) || clientHint(word)}zai2api help lists what is allowed`,
    )
  if (extra === undefined || rowOf(word).takes !== undefined) return word
  throw new UsageError(`unexpected argument ${printable(extra)} on the command line; zai2api ${word} takes flags only`)
}

/** For a word that is no command, but a client that `env` knows. */
function clientHint(word: string): string {
  return Object.hasOwn(clientSetups, word) ? `did you mean env ${word}? ` : ''
}

/** A name of a client. Errors: UsageError for an unknown one. */
export function clientNamed(word: string): Client {
  return oneOf(clientSetups, word, 'client')
}

/** The client named behind `env`. Errors: UsageError if there is none, an unknown one or more than one. */
export function clientOf([word, extra]: readonly string[]): Client {
  if (word === undefined) throw new UsageError(`zai2api env needs the name of a client:\n${clientLines()}`)
  if (extra !== undefined)
    throw new UsageError(`unexpected argument ${printable(extra)} on the command line; one client at a time`)
  return clientNamed(word)
}

/** `  claude          Claude Code`, a line for each client. */
function clientLines(): string {
  const width = Math.max(...Object.keys(clientSetups).map(({ length }) => length)) + 2
  return Object.entries(clientSetups)
    .map(([name, { label }]) => `  ${name.padEnd(width)}${label}`)
    .join('\n')
}

/** The shell named behind `completions`. Errors: UsageError if there is none, an unknown one or more than one. */
export function completionShellOf([word, extra]: readonly string[]): CompletionShell {
  if (word === undefined)
    throw new UsageError(`zai2api completions needs the name of a shell: ${Object.keys(completionShells).join(', ')}`)
  if (extra !== undefined)
    throw new UsageError(`unexpected argument ${printable(extra)} on the command line; one shell at a time`)
  return oneOf(completionShells, word, 'shell')
}

/** The topic named behind `help`, if there is one. Errors: UsageError if there are several. */
export function topicOf([topic, extra]: readonly string[]): string | undefined {
  if (extra === undefined) return topic
  throw new UsageError(`unexpected argument ${printable(extra)} on the command line; one topic at a time`)
}

function oneOf<Name extends string>(table: Record<Name, unknown>, word: string, what: string): Name {
  const names = Object.keys(table)
  const isName = (text: string): text is Name => Object.hasOwn(table, text)
  if (isName(word)) return word
  throw new UsageError(
    `unknown ${what} ${printable(word)} on the command line; ${didYouMean(word, names)}allowed: ${names.join(', ')}`,
  )
}

/** A setting and a member of a key may have the same name: `--upstreams` of `zai2api key` is what a key may use. */
function meantBy(flag: Flag, command: CommandName): Flag {
  if (flag.kind !== 'value' || !rowOf(command).flags.includes('key') || !isMember(flag.sets)) return flag
  return { kind: 'member', sets: flag.sets, needs: keyFlags[flag.sets].placeholder }
}

function isMember(name: string): name is keyof KeyMembers {
  return Object.hasOwn(keyFlags, name)
}

function isAllowedFor(flag: Flag, command: CommandName): boolean {
  const { flags, options = {} } = rowOf(command)
  switch (flag.kind) {
    case 'own':
      return Object.hasOwn(options, flag.name)
    case 'value':
      return flags.includes(flag.sets === 'shell' ? 'shell' : 'settings')
    case 'member':
      return flags.includes('key')
    case 'switch':
      return flags.includes('settings')
    case 'option':
      return flag.option === 'help' || flag.option === 'version' || flags.includes(flag.option)
    default:
      return flag satisfies never
  }
}

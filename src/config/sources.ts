import { isAbsolute, join, relative, resolve, sep } from 'node:path'
import { type DotEnvFault, readDotEnv, type SettingNames } from './dot-env.ts'
import { configFolder } from './folders.ts'
import { isProxyVariable } from './proxy-variables.ts'
import { flagOf, type NamedSetting, type Setting, type SettingName, settingList, tomlKeyOf } from './table.ts'
import { didYouMean, nearest, printable, UsageError } from './usage-error.ts'

/** The world around the process, handed in so that tests own it. */
export interface Surroundings {
  env: Record<string, string | undefined>
  cwd: string
  /** The text of a file, `undefined` where there is none; throws when it cannot be read. */
  readFile(path: string): string | undefined
  /** Where a file really lies once symbolic links are followed; without this, files lie where they seem to. */
  realPath?(path: string): string
}

/** The command line's share of the configuration; `config` is the path of the configuration file. */
export type Flags = ReadonlyMap<SettingName | 'config', string>

/**
 * How far a source is trusted, the least first. The files of the working directory may come from a cloned repository;
 * the environment and the command line come from the user.
 */
export const trustLevels = ['working directory', 'user folder', 'named file', 'invocation'] as const
export type Trust = (typeof trustLevels)[number]

/** One place a value can come from. */
export interface ConfigSource {
  /** What is written there, `undefined` where nothing is. Text, or a TOML value. */
  given(setting: NamedSetting): unknown
  /** Where it is written, as a person would say it. */
  origin(setting: Setting): string
  /** How far an address of this source is trusted. */
  trust: Trust
  /** The trust an address needs before a secret of this source is sent to it. */
  demands: Trust
}

/** The values of the table, where no other source has one. They contain no secrets. */
export const defaults: ConfigSource = {
  given: (setting) => setting.default,
  origin: () => 'default',
  trust: 'invocation',
  demands: 'working directory',
}

export interface ConfigSources {
  /** Every place the operator can write to, the strongest first. */
  list: readonly ConfigSource[]
  /** The files that are read, whether they are there or not. */
  files: readonly string[]
  /** Lines and names of `.env` that do not do what their author may expect, one sentence each. */
  warnings: readonly string[]
}

/** Errors: UsageError for a file that is missing, unreadable or holds what is not known. */
export function sourcesOf(flags: Flags, surroundings: Surroundings): ConfigSources {
  const { env, cwd } = surroundings
  const dotEnvPath = resolve(cwd, '.env')
  const { values: dotEnv, faults } = readDotEnv(read(dotEnvPath, surroundings) ?? '', settingNames)
  const [fatal] = faults.filter((fault) => fault.fatal)
  if (fatal) throw new UsageError(faultIn(dotEnvPath, fatal))
  const own: ConfigSource[] = [
    {
      given: ({ name }) => flags.get(name),
      origin: (setting) => `flag --${flagOf(setting)}`,
      trust: 'invocation',
      demands: 'invocation',
    },
    {
      given: (setting) => env[setting.env],
      origin: (setting) => `environment variable ${setting.env}`,
      trust: 'invocation',
      demands: 'invocation',
    },
  ]
  const folder: ConfigSource = {
    given: (setting) => dotEnv[setting.env],
    origin: (setting) => `${setting.env} in ${printable(dotEnvPath)}`,
    trust: 'working directory',
    demands: leavesFolder(dotEnvPath, surroundings) ? 'named file' : 'working directory',
  }
  const files = [namedFile(flags, surroundings, dotEnv), userFile(env)].filter((file) => file !== undefined)
  return {
    list: [...own, folder, ...files.map((file) => fileSource(file, surroundings))],
    files: [dotEnvPath, ...files.map(({ path }) => path)],
    warnings: [
      ...faults.map((fault) => faultIn(dotEnvPath, fault)),
      ...unknownVariables(dotEnv, dotEnvPath),
      ...misspeltVariables(env),
    ],
  }
}

function faultIn(path: string, { line, message }: DotEnvFault): string {
  return `${printable(path)} line ${line} ${message}`
}

/**
 * What stands in `.env` and looks like a setting without being one, a line for each name; other programs may keep
 * theirs in the same file. The TOML file is ours alone: there an unknown key is an error.
 */
function unknownVariables(dotEnv: Variables, path: string): string[] {
  const names = Object.keys(dotEnv).filter((name) => !knownVariables.has(name))
  return names.flatMap((name) => {
    if (isProxyVariable(name))
      return [`${name} in ${printable(path)} has no effect: a proxy is named in the environment alone`]
    const meant = likelyName(name)
    if (meant === undefined && !/^ZAI(2API)?_/i.test(name)) return []
    const hint = meant === undefined ? '' : `; did you mean ${meant}?`
    return [`${printable(name)} in ${printable(path)} is not a setting and has no effect${hint}`]
  })
}

/**
 * Variables of the environment that look like one of Z.AI's settings and miss it by a slip, a sentence each. Other names
 * there are other programs' business, and so is a slip beside the setting that it resembles.
 */
function misspeltVariables(env: Variables): string[] {
  return Object.keys(env).flatMap((name) => {
    const meant = /^Z_?AI/.test(name) && !knownVariables.has(name) ? likelyName(name) : undefined
    if (meant === undefined || env[meant] !== undefined) return []
    return [`environment variable ${printable(name)} is not a setting and has no effect; did you mean ${meant}?`]
  })
}

/** `ZAI2API_KEY` is what we tell clients to read. */
const knownVariables = new Set([...settingList.map(({ env }) => env), 'ZAI2API_CONFIG', 'ZAI2API_KEY'])

/** Two slips, not more: `OPENAI_API_KEY` is four from one of ours. The name of a flag is as good as the variable's. */
function likelyName(name: string): string | undefined {
  const asFlag = settingList.find((setting) => flagOf(setting) === name.toLowerCase().replaceAll('_', '-'))
  return asFlag?.env ?? nearest(name.toUpperCase(), [...knownVariables], name.length < 6 ? 1 : 2)
}

const settingNames: SettingNames = {
  has: (name) => knownVariables.has(name),
  resembles: (word, alone) => {
    if (!/^[A-Z][A-Z0-9_]{2,}$/.test(word)) return false
    return likelyName(word) !== undefined || (alone && [...knownVariables].some((name) => name.startsWith(word)))
  },
}

type Variables = Record<string, string | undefined>

const defaultConfigPath = 'zai2api.toml'

interface ConfigFile {
  path: string
  /** The user named it. */
  mustExist: boolean
  trust: Trust
  demands: Trust
}

/** The TOML file that is asked for, else the one of the working directory. */
function namedFile(flags: Flags, surroundings: Surroundings, dotEnv: Variables): ConfigFile {
  const { env, cwd } = surroundings
  const byUser = flags.get('config') || env.ZAI2API_CONFIG
  const asked = byUser || dotEnv.ZAI2API_CONFIG
  const path = resolve(cwd, asked || defaultConfigPath)
  const mustExist = Boolean(asked)
  if (byUser) return { path, mustExist, trust: 'named file', demands: 'named file' }
  // `.env` may name a file of the user, or a link may lead to one. Its keys are the user's, whoever named it.
  const demands = leavesFolder(path, surroundings) ? 'named file' : 'working directory'
  return { path, mustExist, trust: 'working directory', demands }
}

function userFile(env: Variables): ConfigFile | undefined {
  const folder = configFolder(env)
  if (folder === undefined) return undefined
  return { path: join(folder, defaultConfigPath), mustExist: false, trust: 'user folder', demands: 'user folder' }
}

/** Whether a file lies elsewhere than in the working directory, be it by its path or by a link. */
export function leavesFolder(path: string, { cwd, realPath = (same) => same }: Surroundings): boolean {
  const inside = relative(realPath(cwd), realPath(resolve(cwd, path)))
  return inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)
}

function fileSource({ path, mustExist, trust, demands }: ConfigFile, surroundings: Surroundings): ConfigSource {
  const text = read(path, surroundings)
  if (text === undefined && mustExist)
    throw new UsageError(
      `configuration file ${printable(path)} does not exist; --config and ZAI2API_CONFIG name a TOML file`,
    )
  const table = parsedToml(text ?? '', path)
  return {
    given: (setting) => table[tomlKeyOf(setting)],
    origin: (setting) => `${tomlKeyOf(setting)} in ${printable(path)}`,
    trust,
    demands,
  }
}

function parsedToml(text: string, path: string): Record<string, unknown> {
  const table = tomlOrThrow(text, path)
  const known = settingList.map(tomlKeyOf)
  const unknown = Object.keys(table).find((key) => !known.includes(key))
  if (unknown === undefined) return table
  throw new UsageError(
    `unknown key ${printable(unknown)} in ${printable(path)}; ${didYouMean(unknown, known)}allowed: ${known.join(', ')}`,
  )
}

function tomlOrThrow(text: string, path: string): Record<string, unknown> {
  try {
    return { ...Bun.TOML.parse(text) }
  } catch (cause) {
    throw new UsageError(`${printable(path)} is not TOML: ${firstLine(cause)}`, { cause })
  }
}

function read(path: string, surroundings: Surroundings): string | undefined {
  try {
    return surroundings.readFile(path)
  } catch (cause) {
    throw new UsageError(`${printable(path)} cannot be read: ${firstLine(cause)}`, { cause })
  }
}

function firstLine(cause: unknown): string {
  return printable(String(cause instanceof Error ? cause.message : cause).split('\n', 1)[0] ?? '')
}

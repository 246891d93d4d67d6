import { isAbsolute, join, relative, resolve, sep } from 'node:path'
import { type DotEnvFault, readDotEnv, type SettingNames } from './dot-env.ts'
import { configFolder } from './folders.ts'
import { isProxyVariable } from './proxy-variables.ts'
import type { Setting } from './setting.ts'
import { credentialOf, flagOf, type NamedSetting, type SettingName, settingList, tomlKeyOf } from './table.ts'
import { didYouMean, nearest, printable, UsageError } from './usage-error.ts'

/** The environment of the process, passed in so that tests can replace it. */
export interface ProcessEnvironment {
  env: Record<string, string | undefined>
  cwd: string
  /** The text of a file; `undefined` if it does not exist. Throws if it cannot be read. */
  readFile(path: string): string | undefined
  /** Whether every user of the machine can read a file. Default: nobody else can. */
  isOpenToAll?(path: string): boolean
  /** Resolves symbolic links. Default: paths are taken as they are. */
  realPath?(path: string): string
}

/** Settings from the command line. `config` is the path of the configuration file. */
export type Flags = ReadonlyMap<SettingName | 'config', string>

/**
 * Levels of trust in a source, the lowest first. The files of the working directory may come from a cloned repository.
 * The environment and the command line come from the user.
 */
export const trustLevels = ['working directory', 'user folder', 'named file', 'invocation'] as const
export type Trust = (typeof trustLevels)[number]

/** A place where settings are written: the flags, the environment or a file. */
export interface ConfigSource {
  /** The written value, as text or a TOML value; `undefined` if the setting is not there. */
  given(setting: NamedSetting): unknown
  /** Describes the place for messages: `LISTEN_PORT in /srv/.env`. */
  origin(setting: Setting): string
  /** The level of trust in an address that this source sets. */
  trust: Trust
  /** The level of trust that an address needs to receive a secret of this source. */
  demands: Trust
}

/** The defaults of the table. They contain no secrets. */
export const defaults: ConfigSource = {
  given: (setting) => setting.default,
  origin: () => 'default',
  trust: 'invocation',
  demands: 'working directory',
}

export interface ConfigSources {
  /** Every source except for the defaults, the one with the highest precedence first. */
  list: readonly ConfigSource[]
  /** The files that are read, including those that do not exist yet. */
  files: readonly string[]
  /** Names and lines that have no effect or another one than expected, one sentence each. */
  warnings: readonly string[]
}

/** Finds and reads all sources. Errors: UsageError for a named file that is missing, an unreadable file or an unknown key. */
export function sourcesOf(flags: Flags, surroundings: ProcessEnvironment): ConfigSources {
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
  const fileSources = files.map((file) => ({ path: file.path, source: fileSource(file, surroundings) }))
  return {
    list: [...own, folder, ...fileSources.map(({ source }) => source)],
    files: [dotEnvPath, ...files.map(({ path }) => path)],
    warnings: [
      ...faults.map((fault) => faultIn(dotEnvPath, fault)),
      ...unknownVariables(dotEnv, dotEnvPath),
      ...misspeltVariables(env),
      ...keysForAll([{ path: dotEnvPath, source: folder }, ...fileSources], surroundings),
    ],
  }
}

/** Files with keys that every user of the machine can read, one sentence each. */
function keysForAll(
  files: readonly { path: string; source: ConfigSource }[],
  { isOpenToAll = () => false }: ProcessEnvironment,
): string[] {
  const open = files.filter(({ path, source }) => holdsKeys(source) && isOpenToAll(path)).map(({ path }) => path)
  return [...new Set(open)].map(
    (path) => `${printable(path)} holds keys, and every user of this machine can read it: chmod 600 ${printable(path)}`,
  )
}

function holdsKeys(source: ConfigSource): boolean {
  const isGiven = (setting: NamedSetting) => !['', undefined].some((none) => none === source.given(setting))
  return (
    settingList.some((setting) => credentialOf(setting) !== undefined && isGiven(setting)) || hasRowWithKeys(source)
  )
}

function hasRowWithKeys(source: ConfigSource): boolean {
  const upstreams = settingList.find(({ name }) => name === 'upstreams')
  const rows: unknown = upstreams && source.given(upstreams)
  return Array.isArray(rows) && rows.some((row) => Object(row).keys !== undefined)
}

function faultIn(path: string, { line, message }: DotEnvFault): string {
  return `${printable(path)} line ${line} ${message}`
}

/**
 * Names in `.env` that look like a setting but are none, one sentence each. Other programs may keep variables in the
 * same file, so they are no errors. No other program reads the TOML file: there an unknown key is an error.
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
 * Variables of the environment that look like a typing error of a ZAI setting, one sentence each. All other names
 * belong to other programs. A similar name is also ignored if the correctly spelt setting is set, too.
 */
function misspeltVariables(env: Variables): string[] {
  return Object.keys(env).flatMap((name) => {
    const meant = /^Z_?AI/.test(name) && !knownVariables.has(name) ? likelyName(name) : undefined
    if (meant === undefined || env[meant] !== undefined) return []
    return [`environment variable ${printable(name)} is not a setting and has no effect; did you mean ${meant}?`]
  })
}

/** `ZAI2API_KEY` is not read by the gateway, but by clients that it sets up; `ZAI2API_RELEASES` by `update` alone. */
const otherVariables = ['ZAI2API_CONFIG', 'ZAI2API_KEY', 'ZAI2API_RELEASES']
const knownVariables = new Set([...settingList.map(({ env }) => env), ...otherVariables])

/**
 * The setting that a name probably means. The name may be a flag's, or differ by at most two edits: `OPENAI_API_KEY`,
 * which belongs to other programs, is four edits from the nearest setting.
 */
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
  /** The file was named explicitly, so a missing one is an error. */
  mustExist: boolean
  trust: Trust
  demands: Trust
}

/** The TOML file that a flag or a variable names, else the one of the working directory. */
function namedFile(flags: Flags, surroundings: ProcessEnvironment, dotEnv: Variables): ConfigFile {
  const { env, cwd } = surroundings
  const byUser = flags.get('config') || env.ZAI2API_CONFIG
  const named = byUser || dotEnv.ZAI2API_CONFIG
  const path = resolve(cwd, named || defaultConfigPath)
  const mustExist = Boolean(named)
  if (byUser) return { path, mustExist, trust: 'named file', demands: 'named file' }
  // `.env` may name a file outside of the folder, or a link may lead to one. The keys in it belong to the user then.
  const demands = leavesFolder(path, surroundings) ? 'named file' : 'working directory'
  return { path, mustExist, trust: 'working directory', demands }
}

function userFile(env: Variables): ConfigFile | undefined {
  const folder = configFolder(env)
  if (folder === undefined) return undefined
  return { path: join(folder, defaultConfigPath), mustExist: false, trust: 'user folder', demands: 'user folder' }
}

/** Whether a file is outside of the working directory, by its path or through a symbolic link. */
export function leavesFolder(path: string, { cwd, realPath = (same) => same }: ProcessEnvironment): boolean {
  const inside = relative(realPath(cwd), realPath(resolve(cwd, path)))
  return inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)
}

function fileSource({ path, mustExist, trust, demands }: ConfigFile, surroundings: ProcessEnvironment): ConfigSource {
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

function read(path: string, surroundings: ProcessEnvironment): string | undefined {
  try {
    return surroundings.readFile(path)
  } catch (cause) {
    throw new UsageError(`${printable(path)} cannot be read: ${firstLine(cause)}`, { cause })
  }
}

function firstLine(cause: unknown): string {
  return printable(String(cause instanceof Error ? cause.message : cause).split('\n', 1)[0] ?? '')
}

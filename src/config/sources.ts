import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { flagOf, type NamedSetting, type Setting, type SettingName, settingList, tomlKeyOf } from './table.ts'
import { didYouMean, nearest, printable, UsageError } from './usage-error.ts'

/** The world around the process, handed in so that tests own it. */
export interface Surroundings {
  env: Record<string, string | undefined>
  cwd: string
  /** The text of a file, `undefined` where there is none; throws when it cannot be read. */
  readFile(path: string): string | undefined
}

/** The command line's share of the configuration; `config` is the path of the configuration file. */
export type Flags = ReadonlyMap<SettingName | 'config', string>

/** One place a value can come from. */
export interface Source {
  /** What is written there, `undefined` where nothing is. Text, or a TOML value. */
  given(setting: NamedSetting): unknown
  /** Where it is written, as a person would say it. */
  origin(setting: Setting): string
}

/** What holds where nobody says otherwise. */
export const defaults: Source = { given: (setting) => setting.default, origin: () => 'default' }

/**
 * Every place the operator can write to, the strongest first.
 *
 * Errors: UsageError for a file that is missing, unreadable or holds what is not known.
 */
export function sourcesOf(flags: Flags, surroundings: Surroundings): Source[] {
  const { env, cwd } = surroundings
  const dotEnvPath = dotEnvPathIn(cwd)
  const dotEnv = parseEnv(read(dotEnvPath, surroundings) ?? '')
  const configPath = configPathOf(flags, env, dotEnv)
  return [
    { given: ({ name }) => flags.get(name), origin: (setting) => `flag --${flagOf(setting)}` },
    { given: (setting) => env[setting.env], origin: (setting) => `environment variable ${setting.env}` },
    { given: (setting) => dotEnv[setting.env], origin: (setting) => `${setting.env} in ${dotEnvPath}` },
    fileSource(configPath, surroundings),
  ]
}

/** The files that are read, whether they are there or not. Errors: UsageError for one that cannot be read. */
export function filesOf(flags: Flags, surroundings: Surroundings): string[] {
  const { env, cwd } = surroundings
  const dotEnvPath = dotEnvPathIn(cwd)
  const dotEnv = parseEnv(read(dotEnvPath, surroundings) ?? '')
  return [dotEnvPath, resolve(cwd, configPathOf(flags, env, dotEnv) || defaultConfigPath)]
}

/**
 * What stands in `.env` and looks like a setting without being one, a line for each name; other programs may keep
 * theirs in the same file. The TOML file is ours alone: there an unknown key is an error.
 */
export function strangersIn(surroundings: Surroundings): string[] {
  const path = dotEnvPathIn(surroundings.cwd)
  const names = Object.keys(parseEnv(read(path, surroundings) ?? '')).filter((name) => !knownVariables.has(name))
  return names.flatMap((name) => {
    const meant = meantBy(name)
    if (meant === undefined && !/^ZAI(2API)?_/i.test(name)) return []
    const hint = meant === undefined ? '' : `; did you mean ${meant}?`
    return [`${printable(name)} in ${printable(path)} is not a setting and has no effect${hint}`]
  })
}

/** `ZAI2API_KEY` is what we tell clients to read. */
const knownVariables = new Set([...settingList.map(({ env }) => env), 'ZAI2API_CONFIG', 'ZAI2API_KEY'])

/** Two slips, not more: `OPENAI_API_KEY` is four from one of ours. The name of a flag is as good as the variable's. */
function meantBy(name: string): string | undefined {
  const asFlag = settingList.find((setting) => flagOf(setting) === name.toLowerCase().replaceAll('_', '-'))
  return asFlag?.env ?? nearest(name.toUpperCase(), [...knownVariables], name.length < 6 ? 1 : 2)
}

type Variables = Record<string, string | undefined>

const defaultConfigPath = 'zai2api.toml'

function dotEnvPathIn(cwd: string): string {
  return resolve(cwd, '.env')
}

function configPathOf(flags: Flags, env: Variables, dotEnv: Variables): string | undefined {
  return flags.get('config') || env.ZAI2API_CONFIG || dotEnv.ZAI2API_CONFIG
}

function fileSource(configPath: string | undefined, surroundings: Surroundings): Source {
  const path = resolve(surroundings.cwd, configPath || defaultConfigPath)
  const text = read(path, surroundings)
  if (text === undefined && configPath)
    throw new UsageError(
      `configuration file ${printable(path)} does not exist; --config and ZAI2API_CONFIG name a TOML file`,
    )
  const table = parsedToml(text ?? '', path)
  return {
    given: (setting) => table[tomlKeyOf(setting)],
    origin: (setting) => `${tomlKeyOf(setting)} in ${printable(path)}`,
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

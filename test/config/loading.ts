import { type Config, loadConfig } from '../../src/config/load.ts'
import type { ProcessEnvironment } from '../../src/config/sources.ts'
import { type SettingName, settingList } from '../../src/config/table.ts'
import { UsageError } from '../../src/config/usage-error.ts'
import { upstreamKinds } from '../../src/upstreams/index.ts'

export interface World {
  flags?: Partial<Record<SettingName | 'config', string>>
  env?: Record<string, string>
  dotEnv?: string
  toml?: string
  files?: Record<string, string>
}

function surroundings({ env = {}, dotEnv, toml, files = {} }: World): ProcessEnvironment {
  const present: Record<string, string | undefined> = { ...files, '/srv/.env': dotEnv, '/srv/zai2api.toml': toml }
  return { env, cwd: '/srv', readFile: (path) => present[path] }
}

export function load(world: World = {}, isOpenToAll = (_path: string) => false) {
  const { flags = {} } = world
  const given = new Map<SettingName | 'config', string>()
  for (const { name } of settingList) if (flags[name] !== undefined) given.set(name, flags[name])
  if (flags.config !== undefined) given.set('config', flags.config)
  return loadConfig(given, { ...surroundings(world), isOpenToAll }, upstreamKinds)
}

export function config(world: World = {}): Config {
  return load(world).config
}

export function errorOf(world: World): string {
  try {
    load(world)
  } catch (thrown) {
    if (thrown instanceof UsageError) return thrown.message
    throw thrown
  }
  return 'no errorOf'
}

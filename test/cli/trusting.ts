import { type Commands, runCli } from '../../src/cli/index.ts'
import { type SettingName, settings, tomlKeyOf } from '../../src/config/table.ts'

/** The sources of settings and their levels of trust. */
export const places = { flag: 3, env: 3, named: 2, user: 1, dotEnv: 0, toml: 0 } as const
export type Place = keyof typeof places

export interface Written {
  setting: SettingName
  place: Place
  value: string
}

interface World {
  env: Record<string, string>
  files: Record<string, string>
  flags: string[]
}

const fileOf = { named: '/etc/named.toml', user: '/home/me/.config/zai2api/zai2api.toml', toml: '/repo/zai2api.toml' }

export function worldOf(written: readonly Written[]): World {
  const world: World = { env: { HOME: '/home/me' }, files: {}, flags: [] }
  for (const { setting, place, value } of written) {
    const row = settings[setting]
    const line = `${tomlKeyOf(row)} = ${JSON.stringify(value)}\n`
    if (place === 'flag') world.flags.push(`--${row.env.toLowerCase().replaceAll('_', '-')}=${value}`)
    else if (place === 'env') world.env[row.env] = value
    else if (place === 'dotEnv') world.files['/repo/.env'] = `${world.files['/repo/.env'] ?? ''}${row.env}=${value}\n`
    else world.files[fileOf[place]] = (world.files[fileOf[place]] ?? '') + line
  }
  if (world.files[fileOf.named] !== undefined) world.flags.push(`--config=${fileOf.named}`)
  return world
}

interface Links {
  [path: string]: string
}

export async function run(command: string, { env, files, flags }: World, links: Links = {}) {
  const said = { stderr: '', started: false }
  const start = async () => {
    said.started = true
    return 0
  }
  const commands: Commands = {
    ...{ setup: start, serve: start, demo: start, models: start, quota: start, key: start, launch: start, env: start },
    doctor: async (load) => {
      load()
      return start()
    },
  }
  const io = {
    env,
    cwd: '/repo',
    readFile: (path: string) => files[links[path] ?? path],
    realPath: (path: string) => links[path] ?? path,
    stdout: () => {},
    stderr: (text: string | (() => string)) => {
      said.stderr += typeof text === 'string' ? text : text()
    },
    version: 'test',
  }
  const code = await runCli([...flags, ...command.split(' ')], io, commands)
  return { ...said, code }
}

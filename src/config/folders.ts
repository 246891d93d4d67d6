import { isAbsolute, join } from 'node:path'

type Env = Record<string, string | undefined>

/** Where the user keeps settings for every folder: `~/.config/zai2api`; `undefined` where there is no home. */
export function configFolder(env: Env): string | undefined {
  return userFolder(env, env.XDG_CONFIG_HOME, 'APPDATA', '.config')
}

/** What is remembered between runs: systemd's folder for the service, else `~/.local/state/zai2api`. */
export function stateFolder(env: Env): string | undefined {
  // systemd gives several, separated by colons, where several are configured.
  const service = absolute(env.STATE_DIRECTORY?.split(':', 1)[0])
  return service ?? userFolder(env, env.XDG_STATE_HOME, 'LOCALAPPDATA', join('.local', 'state'))
}

function userFolder(env: Env, xdg: string | undefined, windows: string, underHome: string): string | undefined {
  const home = absolute(env.HOME)
  const base =
    absolute(xdg) ??
    (env.OS === 'Windows_NT' ? absolute(env[windows]) : undefined) ??
    (home === undefined ? undefined : join(home, underHome))
  return base === undefined ? undefined : join(base, 'zai2api')
}

/** A relative one would lead into the working directory, which is anybody's; the XDG specification has it ignored, too. */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined
}

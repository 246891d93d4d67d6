import { isAbsolute, join } from 'node:path'

type Env = Record<string, string | undefined>

/** The folder of the user's own settings, `~/.config/zai2api`; `undefined` without a home folder. */
export function configFolder(env: Env): string | undefined {
  return userFolder(env, env.XDG_CONFIG_HOME, 'APPDATA', '.config')
}

/** The folder for files that outlive a run: systemd's for a service, else `~/.local/state/zai2api`. */
export function stateFolder(env: Env): string | undefined {
  // systemd separates several folders by colons.
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

/** Ignores relative paths: they would lead into the working directory, and the XDG specification says to ignore them. */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined
}

/** One thing that installing or removing a service does, so that `--dry-run` can print what would be done. */
export type ServiceStep =
  | { kind: 'write'; path: string; mode: number; owner?: string; text: string; keep?: boolean }
  | { kind: 'copy'; from: string; path: string; mode: number }
  | { kind: 'remove'; path: string }
  /** `mayFail`: a failure is ignored, because the command undoes something that may not exist. */
  | { kind: 'run'; command: readonly string[]; mayFail?: boolean }

export interface ServicePlace {
  /** The path of this executable. */
  executable: string
  /** The folders of PATH. */
  searchPath: readonly string[]
  /** For all users of the machine, as root, or for this user alone. */
  scope: 'system' | 'user'
  /** Folders of the user that the service is installed for. */
  home: string
  configFolder: string
  stateFolder: string
  /** The user's id; launchd names a user's services by it. */
  uid: number
  /** Text of the configuration file where there is none yet. */
  freshConfig: string
}

/** How one system runs a program in the background, and again after a crash or a restart of the machine. */
export interface ServiceManager {
  /** `systemd, for all users` */
  title: string
  scope: ServicePlace['scope']
  /** The file with the settings of the service. */
  configPath: string
  /** The executable that the service runs: this one where it lies in a lasting place, else a copy. */
  program: string
  /** The notice for the user who installs it. */
  note?: string
  /** Prints nothing, and fails where the service manager does not run. */
  probe?: readonly string[]
  /** Skipped if the probe fails: writing a configuration with a key would change gateways that are already running. */
  install: readonly ServiceStep[]
  /** Stops the service. Left out where the probe fails. */
  stop: readonly ServiceStep[]
  /** The remaining steps of `uninstall`. Settings and data are removed only with `purge`. */
  uninstall: readonly ServiceStep[]
  purge: readonly ServiceStep[]
  /** Files that remain even with `purge`. */
  left: readonly Left[]
  restart: readonly string[]
  status: readonly string[]
  logs(follow: boolean): readonly string[]
}

export interface Left {
  /** `the user zai2api`, or the path of a file. */
  what: string
  /** Left only if it exists. */
  path?: string
  /** The command that removes it. */
  removal: string
}

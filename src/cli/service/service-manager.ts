/** One thing that installing or removing a service does, so that `--dry-run` can print what would be done. */
export type ServiceStep =
  /** A folder that may be there already; with an owner, `user:group`, it gets that and the mode all the same. */
  | { kind: 'folder'; path: string; mode: number; owner?: string }
  | WriteStep
  | { kind: 'copy'; from: string; path: string; mode: number }
  | { kind: 'remove'; path: string }
  /** `mayFail`: a failure is ignored, because the command undoes something that may not exist. */
  | { kind: 'run'; command: readonly string[]; mayFail?: boolean }
  /** Waits until the command fails, which asks quietly whether something is still there. */
  | { kind: 'wait until it is gone'; command: readonly string[]; seconds: number }

export interface WriteStep {
  kind: 'write'
  path: string
  mode: number
  /** `user:group`. A file that is kept gets it and the mode, too. */
  owner?: string
  text: string
  /** Default: UTF-8. */
  encoding?: 'UTF-16'
  /** A file that is there stays as it is. */
  keep?: boolean
}

export interface ServicePlace {
  /** The path of this executable. */
  executable: string
  /** The folders of PATH. */
  searchPath: readonly string[]
  /** Where the system keeps temporary files of this user. */
  temporaryFolder: string | undefined
  /** A link in a folder of PATH that leads to an executable in the store of Nix. */
  profileLink: string | undefined
  /** In front of every path outside of the user's folders; empty but in tests. */
  root: string
  /** For all users of the machine, as root, or for this user alone. */
  scope: 'system' | 'user'
  /** Folders of the user that the service is installed for. */
  home: string
  configFolder: string
  stateFolder: string
  /** The user's id; launchd names a user's services by it. */
  uid: number
  /** What Windows calls the user: `DOMAIN\name`. */
  account: string
  /** The folder of Windows itself. */
  windowsFolder: string
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
  /** Whether that is a copy of the executable that was called. */
  isCopied: boolean
  /** The folder with the secret by which the service proves that it is the one that answers. */
  stateFolder: string
  /** The notice for the user who installs it. */
  note?: string
  /** Prints nothing, and fails where the service manager does not run. */
  probe?: readonly string[]
  /** Skipped if the probe fails: writing a configuration with a key would change gateways that are already running. */
  install: readonly ServiceStep[]
  /** Stops the service, and fails if it is still there then. Left out where the probe fails. */
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
  /** Left only if it exists. What has no path is left once everything else is gone. */
  path?: string
  /** The command that removes it. */
  removal: string
}

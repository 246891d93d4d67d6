import { join } from 'node:path'
import { productSummary } from '../../core/product-summary.ts'
import { copied, fileLeft, lastingProgram, staysInPlace } from './program-place.ts'
import type { ServiceManager, ServicePlace, ServiceStep } from './service-manager.ts'

const installedPath = '/usr/local/bin/zai2api'
/** The user that the service of a whole machine runs as, and its group. */
const user = 'zai2api'
const unit = 'zai2api.service'

/** For a whole machine (`/etc/systemd/system`, a user of its own) or for one user (`~/.config/systemd/user`). */
export function systemd(place: ServicePlace): ServiceManager {
  return place.scope === 'system' ? systemService(place) : userService(place)
}

function systemService(place: ServicePlace): ServiceManager {
  const { executable, freshConfig, root } = place
  const configFolder = `${root}/etc/zai2api`
  const configPath = `${configFolder}/zai2api.toml`
  const unitPath = `${root}/etc/systemd/system/${unit}`
  const sysusersPath = `${root}/usr/lib/sysusers.d/zai2api.conf`
  const stateFolder = `${root}/var/lib/zai2api`
  // ProtectHome hides the homes from the service, and /tmp is its own.
  const inPlace = /^\/(usr|opt)\//.test(executable) && staysInPlace(place)
  const { program, copy } = inPlace ? { program: executable, copy: [] } : copied(executable, root + installedPath)
  // The service reads its settings, and nobody but root writes them.
  const owner = `root:${user}`
  return {
    title: 'systemd, for all users of this machine',
    scope: 'system',
    configPath,
    program,
    isCopied: copy.length > 0,
    stateFolder,
    ...commandsOf(['systemctl'], ['journalctl']),
    install: [
      ...copy,
      { kind: 'write', path: sysusersPath, mode: 0o644, text: sysusers },
      run('systemd-sysusers', sysusersPath),
      { kind: 'folder', path: configFolder, mode: 0o750, owner },
      { kind: 'write', path: configPath, mode: 0o640, owner, text: freshConfig, keep: true },
      { kind: 'write', path: unitPath, mode: 0o644, text: systemdUnit('system', program, configPath) },
      ...started(['systemctl']),
    ],
    uninstall: [{ kind: 'remove', path: unitPath }, reloaded(['systemctl'])],
    purge: [
      { kind: 'remove', path: configFolder },
      { kind: 'remove', path: stateFolder },
      { kind: 'remove', path: sysusersPath },
    ],
    left: [fileLeft(root + installedPath), { what: `the user ${user}`, removal: `userdel ${user}` }],
  }
}

function userService(place: ServicePlace): ServiceManager {
  const { home, configFolder, stateFolder, freshConfig } = place
  const configPath = join(configFolder, 'zai2api.toml')
  const unitPath = join(home, '.config/systemd/user', unit)
  const copyPath = join(home, '.local/bin/zai2api')
  const { program, copy } = lastingProgram(place, copyPath)
  const systemctl = ['systemctl', '--user']
  return {
    title: 'systemd, for you alone',
    scope: 'user',
    configPath,
    program,
    isCopied: copy.length > 0,
    stateFolder,
    note: 'It runs while you are logged in; loginctl enable-linger has it run always.',
    ...commandsOf(systemctl, ['journalctl', '--user']),
    install: [
      ...copy,
      { kind: 'write', path: configPath, mode: 0o600, text: freshConfig, keep: true },
      { kind: 'write', path: unitPath, mode: 0o644, text: systemdUnit('user', program, configPath, stateFolder) },
      ...started(systemctl),
    ],
    uninstall: [{ kind: 'remove', path: unitPath }, reloaded(systemctl)],
    purge: [
      { kind: 'remove', path: configFolder },
      { kind: 'remove', path: stateFolder },
    ],
    left: [fileLeft(copyPath)],
  }
}

function commandsOf(systemctl: readonly string[], journalctl: readonly string[]) {
  const journal = [...journalctl, '--unit', unit, '--lines', '100']
  return {
    probe: [...systemctl, 'daemon-reload'],
    stop: [
      // It may have been stopped already.
      { ...run(...systemctl, 'disable', '--now', unit), mayFail: true },
      waitUntilItIsGone([...systemctl, 'is-active', '--quiet', unit]),
    ],
    restart: [...systemctl, 'restart', unit],
    status: [...systemctl, 'status', '--no-pager', unit],
    logs: (follow: boolean) => [...journal, ...(follow ? ['--follow'] : [])],
  }
}

/** A service that runs already gets its new program and unit, too. */
function started(systemctl: readonly string[]): ServiceStep[] {
  return [run(...systemctl, 'daemon-reload'), run(...systemctl, 'enable', unit), run(...systemctl, 'restart', unit)]
}

/** Fails where systemd does not run, which forgets the unit then anyway. */
function reloaded(systemctl: readonly string[]): ServiceStep {
  return { ...run(...systemctl, 'daemon-reload'), mayFail: true }
}

/** `systemctl` itself waits for the end of the service. */
function waitUntilItIsGone(command: readonly string[]): ServiceStep {
  return { kind: 'wait until it is gone', command, seconds: 0 }
}

function run(...command: string[]): ServiceStep & { kind: 'run' } {
  return { kind: 'run', command }
}

const sysusers = `u ${user} - "zai2api gateway" /var/lib/zai2api\n`

/**
 * The text of the unit. The system's unit runs as a user of its own with its own folders; a user's unit runs with that
 * user's rights.
 */
export function systemdUnit(
  scope: ServicePlace['scope'],
  executable: string,
  configPath: string,
  stateFolder?: string,
): string {
  const target = scope === 'system' ? 'multi-user.target' : 'default.target'
  const command = `${programPart(executable)} serve --config ${argument(configPath)}`
  return `# Settings: ${configPath}. A change of the file is taken over within a second.
[Unit]
Description=${productSummary}
${scope === 'system' ? 'Wants=network-online.target\nAfter=network-online.target\n' : ''}
[Service]
Type=exec
# A folder in which only root can put a .env, which the gateway would read.
WorkingDirectory=/
ExecStart=${command}
ExecReload=/bin/kill -HUP $MAINPID
# What Bun reads before the program runs, which would otherwise start itself once more with it.
Environment=NODE_ENV=production BUN_CONFIG_MAX_HTTP_REQUESTS=20000 BUN_JSC_useFTLJIT=0
${stateFolder === undefined ? '' : `# Where the user's other commands look for its data.\nEnvironment=${quoted(`STATE_DIRECTORY=${stateFolder}`)}\n`}# Each of these variables could make a Bun executable run foreign code.
UnsetEnvironment=BUN_OPTIONS BUN_BE_BUN
Restart=on-failure
RestartSec=2
# Longer than the gateway itself waits for running answers to end.
KillSignal=SIGTERM
TimeoutStopSec=45
LimitNOFILE=65536
UMask=0077
${scope === 'system' ? confinement : 'NoNewPrivileges=yes\n'}
[Install]
WantedBy=${target}
`
}

/**
 * The path of the executable. systemd takes none with quotes or backslashes, so that a shell, which becomes the program,
 * gets that as an argument.
 */
function programPart(executable: string): string {
  return /['"\\]/.test(executable) ? `/bin/sh -c 'exec "$$0" "$$@"' ${argument(executable)}` : quoted(executable)
}

/** systemd expands variables in arguments, but not in the path of the executable. */
function argument(text: string): string {
  return quoted(text.replaceAll('$', '$$$$'))
}

/** systemd splits at spaces and expands `%`. */
function quoted(path: string): string {
  const escaped = path.replaceAll('%', '%%')
  return /^[\w/.+%$=-]+$/.test(escaped) ? escaped : `"${escaped.replace(/[\\"]/g, '\\$&')}"`
}

const confinement = `
User=${user}
# /var/lib/zai2api, the only folder it may write to: its database, its secret, and STORE if that is set.
StateDirectory=zai2api
StateDirectoryMode=0700
CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProcSubset=pid
PrivateDevices=yes
PrivateTmp=yes
PrivateUsers=yes
PrivateIPC=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
# MemoryDenyWriteExecute is left out: the engine then starts without its compiler, and a hot loop takes 12 times as long.
`

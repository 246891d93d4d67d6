import { join } from 'node:path'
import type { ServiceManager, ServicePlace, Step } from './service-manager.ts'

const installedPath = '/usr/local/bin/zai2api'
/** The user that the service of a whole machine runs as, and its group. */
const user = 'zai2api'

/**
 * For a whole machine (`/etc/systemd/system`, a user of its own) or for one user (`~/.config/systemd/user`). An
 * installation asks systemd first: where it does not run, nothing is written, because a configuration with a key would
 * change the gateways that run already.
 */
export function systemd(place: ServicePlace): ServiceManager {
  return place.scope === 'system' ? systemService(place) : userService(place)
}

function systemService({ executable, freshConfig }: ServicePlace): ServiceManager {
  const configFolder = '/etc/zai2api'
  const configPath = `${configFolder}/zai2api.toml`
  const unitPath = '/etc/systemd/system/zai2api.service'
  // ProtectHome hides the homes from the service, and /tmp is its own.
  const inPlace = /^\/(usr|opt)\//.test(executable)
  const program = inPlace ? executable : installedPath
  const copy: Step[] = inPlace ? [] : [{ kind: 'copy', from: executable, path: installedPath, mode: 0o755 }]
  return {
    title: 'systemd, for all users of this machine',
    configPath,
    install: [
      run('systemctl', 'daemon-reload'),
      ...copy,
      { kind: 'write', path: `/usr/lib/sysusers.d/zai2api.conf`, mode: 0o644, text: sysusers },
      run('systemd-sysusers', '/usr/lib/sysusers.d/zai2api.conf'),
      { kind: 'write', path: configPath, mode: 0o600, owner: user, text: freshConfig, keep: true },
      { kind: 'write', path: unitPath, mode: 0o644, text: systemdUnit('system', program, configPath) },
      run('systemctl', 'daemon-reload'),
      run('systemctl', 'enable', '--now', 'zai2api.service'),
    ],
    uninstall: [
      { ...run('systemctl', 'disable', '--now', 'zai2api.service'), mayFail: true },
      { kind: 'remove', path: unitPath },
      run('systemctl', 'daemon-reload'),
    ],
    purge: [
      { kind: 'remove', path: configFolder },
      { kind: 'remove', path: '/var/lib/zai2api' },
      { kind: 'remove', path: '/usr/lib/sysusers.d/zai2api.conf' },
    ],
    restart: ['systemctl', 'restart', 'zai2api.service'],
    status: ['systemctl', 'status', '--no-pager', 'zai2api.service'],
    logs: (follow) => ['journalctl', '--unit', 'zai2api.service', '--lines', '100', ...followFlag(follow)],
  }
}

function userService({ executable, home, configFolder, freshConfig }: ServicePlace): ServiceManager {
  const configPath = join(configFolder, 'zai2api.toml')
  const unitPath = join(home, '.config/systemd/user/zai2api.service')
  return {
    title: 'systemd, for you alone',
    configPath,
    install: [
      run('systemctl', '--user', 'daemon-reload'),
      { kind: 'write', path: configPath, mode: 0o600, text: freshConfig, keep: true },
      { kind: 'write', path: unitPath, mode: 0o644, text: systemdUnit('user', executable, configPath) },
      run('systemctl', '--user', 'daemon-reload'),
      run('systemctl', '--user', 'enable', '--now', 'zai2api.service'),
    ],
    uninstall: [
      { ...run('systemctl', '--user', 'disable', '--now', 'zai2api.service'), mayFail: true },
      { kind: 'remove', path: unitPath },
      run('systemctl', '--user', 'daemon-reload'),
    ],
    purge: [{ kind: 'remove', path: configPath }],
    restart: ['systemctl', '--user', 'restart', 'zai2api.service'],
    status: ['systemctl', '--user', 'status', '--no-pager', 'zai2api.service'],
    logs: (follow) => ['journalctl', '--user', '--unit', 'zai2api.service', '--lines', '100', ...followFlag(follow)],
  }
}

function run(...command: string[]): Step & { kind: 'run' } {
  return { kind: 'run', command }
}

function followFlag(follow: boolean): string[] {
  return follow ? ['--follow'] : []
}

const sysusers = `u ${user} - "zai2api gateway" /var/lib/zai2api\n`

/**
 * The text of the unit. The system's unit runs as a user of its own with its own folders; a user's unit runs with that
 * user's rights.
 */
export function systemdUnit(scope: 'system' | 'user', executable: string, configPath: string): string {
  const target = scope === 'system' ? 'multi-user.target' : 'default.target'
  // systemd expands variables in arguments, but not in the path of the executable.
  const command = `${quoted(executable)} serve --config ${quoted(configPath.replaceAll('$', '$$$$'))}`
  return `# Settings: ${configPath}. A change of the file is taken over within a second.
[Unit]
Description=OpenAI, Anthropic and Gemini APIs for Z.AI's GLM models
${scope === 'system' ? 'Wants=network-online.target\nAfter=network-online.target\n' : ''}
[Service]
Type=exec
# A folder in which only root can put a .env, which the gateway would read.
WorkingDirectory=/
ExecStart=${command}
ExecReload=/bin/kill -HUP $MAINPID
# Bun runs at most 256 outgoing requests at a time by default.
Environment=NODE_ENV=production BUN_CONFIG_MAX_HTTP_REQUESTS=20000
# Each of these variables could make a Bun executable run foreign code.
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

/** systemd splits at spaces and expands `%`. */
function quoted(path: string): string {
  const escaped = path.replaceAll('%', '%%')
  return /^[\w/.+%$-]+$/.test(escaped) ? escaped : `"${escaped.replace(/[\\"]/g, '\\$&')}"`
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

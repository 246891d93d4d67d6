import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Machine, service } from '../../../src/cli/commands/service.ts'
import { readConfigFile } from '../../../src/cli/config-files.ts'
import { isOpenToAll } from '../../../src/cli/io.ts'
import type { ServiceOptions } from '../../../src/cli/service-options.ts'

export let home = ''

export function makeHome() {
  home = mkdtempSync(join(tmpdir(), 'zai2api-service-'))
}

export function removeHome() {
  rmSync(home, { recursive: true })
}

export interface World {
  platform?: NodeJS.Platform
  uid?: number
  env?: Record<string, string>
  executable?: string | undefined
  /** Exit codes by the beginning of a command. */
  codes?: Record<string, number | (() => number)>
  /** Programs that the machine does not have. */
  missing?: string[]
  /** Whether something answers at the address of the service. */
  answers?: boolean
  /** Whether it proves to be the service. */
  proves?: boolean
  /** The folder that stands for the root of the file system. */
  root?: string
}

/** What asks whether the service is still there: it fails once that has been stopped. */
const stopped: Record<string, number> = {
  'systemctl is-active': 3,
  'systemctl --user is-active': 3,
  'launchctl print': 113,
  'C:\\Windows\\System32\\schtasks.exe /Query': 1,
}

export async function run(options: Partial<ServiceOptions>, world: World = {}) {
  const { platform = 'linux', uid = 1000, env = {}, missing = [], answers = true } = world
  const { proves = answers && options.action !== 'uninstall' } = world
  const codes = { ...world.codes, ...stopped, ...world.codes }
  const ran: string[] = []
  const said = { stdout: '', stderr: '' }
  const io = {
    ...{ env: { HOME: home, ...env }, cwd: home, readFile: readConfigFile, isOpenToAll, version: '1.0' },
    stdout(text: string) {
      said.stdout += text
    },
    stderr(text: string | (() => string)) {
      said.stderr += typeof text === 'string' ? text : text()
    },
  }
  const machine: Machine = {
    ...{ platform, uid, executable: 'executable' in world ? world.executable : '/opt/zai2api/zai2api' },
    async run(command) {
      const line = command.join(' ')
      if (missing.includes(command[0] ?? '')) throw new Error('ENOENT')
      ran.push(line)
      const code = Object.entries(codes).find(([beginning]) => line.startsWith(beginning))?.[1] ?? 0
      return typeof code === 'number' ? code : code()
    },
    fetch: Object.assign(async () => (answers ? new Response('ok') : Promise.reject(new Error('connection refused'))), {
      preconnect() {},
    }),
    proves: async () => proves,
    root: world.root ?? '',
    wait: async () => {},
  }
  const given = { action: 'install', scope: undefined, dryRun: false, follow: false, purge: false } as const
  const code = await service(io, { ...given, ...options }, machine)
  return { code, ran, ...said }
}

export function windowsEnv(home: string): Record<string, string> {
  // Elsewhere than on Windows, a path with a drive is not absolute.
  const folders = { XDG_CONFIG_HOME: '/Users/ann/Roaming', XDG_STATE_HOME: '/Users/ann/Local' }
  return { HOME: '', USERPROFILE: home, ...folders, USERDOMAIN: 'DESK', USERNAME: 'ann', SystemRoot: 'C:\\Windows' }
}

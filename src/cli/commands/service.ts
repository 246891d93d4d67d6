import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { systemClock } from '../../async/system-clock.ts'
import { configFolder, stateFolder } from '../../config/folders.ts'
import { loadConfig } from '../../config/load.ts'
import { newKey } from '../../config/policy.ts'
import { UsageError } from '../../config/usage-error.ts'
import { upstreamKinds } from '../../upstreams/index.ts'
import { urlOf } from '../client-target.ts'
import type { Io } from '../io.ts'
import { launchd } from '../service/launchd.ts'
import type { ServiceManager, ServicePlace, Step } from '../service/service-manager.ts'
import { systemd } from '../service/systemd.ts'
import { windowsTask } from '../service/windows-task.ts'
import type { ServiceOptions } from '../service-options.ts'
import { writePrivateFile } from '../write-private-file.ts'

/** What the command uses of the machine, passed in so that tests can replace it. */
export interface Machine {
  platform: NodeJS.Platform
  uid: number
  /** The path of the compiled executable; `undefined` when run from source. */
  executable: string | undefined
  /** Runs a command at this terminal. Resolves with its exit code. Rejects if there is no such program. */
  run(command: readonly string[]): Promise<number>
  fetch: typeof globalThis.fetch
  wait(ms: number): Promise<void>
}

/** Installs, watches and removes the service. Resolves with the exit code. Errors: UsageError. */
export async function service(
  io: Io,
  { action, scope, dryRun, follow, purge }: ServiceOptions,
  machine = thisMachine(io),
): Promise<number> {
  const manager = managerFor(scope, io, machine)
  switch (action) {
    case 'install': {
      if (!dryRun && machine.executable === undefined)
        throw new UsageError(
          'a service needs the executable; make build compiles it, then dist/zai2api service install',
        )
      const code = await follows(manager.install, { dryRun, io, machine })
      return code === 0 && !dryRun ? announce(manager, io, machine) : code
    }
    case 'uninstall': {
      const code = await follows([...manager.uninstall, ...(purge ? manager.purge : [])], { dryRun, io, machine })
      if (code === 0 && !dryRun && !purge)
        io.stdout(`${manager.configPath} stays; --purge removes settings and data.\n`)
      return code
    }
    case 'status': {
      const code = await machine.run(manager.status)
      io.stdout(`\n${await health(manager, io, machine)}\n`)
      return code
    }
    case 'restart':
      return machine.run(manager.restart)
    case 'logs':
      return machine.run(manager.logs(follow))
    default:
      return action satisfies never
  }
}

function managerFor(
  scope: ServiceOptions['scope'],
  { env }: Io,
  { platform, uid, executable }: Machine,
): ServiceManager {
  const folder = configFolder(env)
  const state = stateFolder({ ...env, STATE_DIRECTORY: undefined })
  const home = env.HOME ?? env.USERPROFILE
  if (folder === undefined || state === undefined || home === undefined)
    throw new UsageError('there is no folder for your configuration: HOME is not set')
  if (platform !== 'linux' && (scope === 'system' || uid === 0))
    throw new UsageError('a service for all users is known on Linux alone; install one for you, without sudo')
  const place: ServicePlace = {
    executable: executable ?? 'zai2api',
    scope: scope ?? (uid === 0 ? 'system' : 'user'),
    ...{ home, configFolder: folder, stateFolder: state, uid },
    freshConfig: freshConfig(env.ZAI_API_KEY),
  }
  switch (platform) {
    case 'linux':
      if (place.scope === 'system' && uid !== 0)
        throw new UsageError('a service for all users is installed by root; sudo, or --user for you alone')
      return systemd(place)
    case 'darwin':
      return launchd(place)
    case 'win32':
      return windowsTask(place)
    default:
      throw new UsageError(`no service manager is known for ${platform}`)
  }
}

function freshConfig(zaiApiKey: string | undefined): string {
  const upstreamKey = zaiApiKey ? `zai_api_key = ${JSON.stringify(zaiApiKey)}` : '# zai_api_key = ""'
  return `# A change of this file is taken over within a second. zai2api help settings lists what may stand here.
# The key that clients send:
auth_token = "${newKey((bytes) => crypto.getRandomValues(bytes))}"
# Your key for Z.AI's API:
${upstreamKey}
`
}

interface Doing {
  dryRun: boolean
  io: Io
  machine: Machine
}

/** Does the steps in order, or prints them. Resolves with the exit code of the first one that fails. */
async function follows(steps: readonly Step[], { dryRun, io, machine }: Doing): Promise<number> {
  for (const step of steps) {
    if (dryRun) io.stdout(textOf(step))
    else {
      const code = await done(step, machine)
      if (code !== 0) {
        io.stderr(`zai2api: this failed: ${textOf(step)}`)
        return code
      }
    }
  }
  return 0
}

/** A secret in a file is not printed, because terminals keep logs. */
function textOf(step: Step): string {
  switch (step.kind) {
    case 'write': {
      const owner = step.owner === undefined ? '' : `, owner ${step.owner}`
      const kept = step.keep ? ', unless it is there' : ''
      const text = step.text.replace(/^((?:auth_token|zai_api_key) = ").+"$/gm, '$1…"')
      return `write ${step.path} (mode ${step.mode.toString(8).padStart(4, '0')}${owner}${kept}):\n${text.replace(/^(?=.)/gm, '    ')}`
    }
    case 'copy':
      return `copy ${step.from} to ${step.path} (mode ${step.mode.toString(8).padStart(4, '0')})\n`
    case 'remove':
      return `remove ${step.path}\n`
    case 'run':
      return `run ${step.command.join(' ')}\n`
    default:
      return step satisfies never
  }
}

async function done(step: Step, machine: Machine): Promise<number> {
  switch (step.kind) {
    case 'write':
      if (step.keep && existsSync(step.path)) return 0
      if (step.mode === 0o600) writePrivateFile(step.path, step.text)
      else {
        mkdirSync(dirname(step.path), { recursive: true })
        writeFileSync(step.path, step.text, { mode: step.mode })
      }
      if (step.owner === undefined) return 0
      // The folder was made for root alone.
      return machine.run(['chown', '-R', `${step.owner}:`, dirname(step.path)])
    case 'copy':
      // A program that runs cannot be written to, but its file can be replaced.
      copyFileSync(step.from, `${step.path}.new`)
      chmodSync(`${step.path}.new`, step.mode)
      return machine.run(['mv', '-f', `${step.path}.new`, step.path])
    case 'remove':
      rmSync(step.path, { recursive: true, force: true })
      return 0
    case 'run': {
      const code = await machine.run(step.command)
      return step.mayFail ? 0 : code
    }
    default:
      return step satisfies never
  }
}

const startTimeoutMs = 15_000
const pollMs = 250

/** Waits for the service to answer and says what to do next. Resolves with 1 if it does not. */
async function announce(manager: ServiceManager, io: Io, machine: Machine): Promise<number> {
  const self = io.self ?? 'zai2api'
  for (let waited = 0; waited < startTimeoutMs; waited += pollMs) {
    if (await lives(urlIn(manager, io), machine)) {
      const { config } = loadedFrom(manager.configPath, io)
      io.stdout(`The service answers at ${urlIn(manager, io)} (${manager.title}).\n`)
      io.stdout(`Settings, and the key that clients send: ${manager.configPath}\n`)
      if (config.zaiApiKeys.length === 0)
        io.stdout('It has no key for Z.AI yet: put zai_api_key into that file; no restart is needed.\n')
      return 0
    }
    await machine.wait(pollMs)
  }
  io.stderr(`zai2api: the service does not answer at ${urlIn(manager, io)}; ${self} service logs tells why\n`)
  return 1
}

async function health(manager: ServiceManager, io: Io, machine: Machine): Promise<string> {
  const url = urlIn(manager, io)
  if (!(await lives(url, machine))) return `Nothing answers at ${url}.`
  const ready = await machine.fetch(`${url}/readyz`, local()).then(
    ({ ok }) => ok,
    () => false,
  )
  return ready
    ? `It answers at ${url}, and a request could succeed now.`
    : `It answers at ${url}, but no upstream is ready.`
}

function lives(url: string, { fetch }: Machine): Promise<boolean> {
  return fetch(`${url}/healthz`, local()).then(
    ({ ok }) => ok,
    () => false,
  )
}

const probeTimeoutMs = 5_000

/** Never through a proxy, for which loopback would be its own machine. */
function local(): RequestInit {
  return { signal: AbortSignal.timeout(probeTimeoutMs), proxy: '' } as RequestInit
}

function urlIn({ configPath }: ServiceManager, io: Io): string {
  return urlOf(loadedFrom(configPath, io).config)
}

/** The configuration as the service reads it; the defaults before it is installed. Errors: UsageError. */
function loadedFrom(configPath: string, io: Io) {
  const flags = new Map(existsSync(configPath) ? [['config', configPath] as const] : [])
  return loadConfig(flags, { ...io, env: {}, cwd: '/' }, upstreamKinds)
}

function thisMachine({ executable }: Io): Machine {
  return {
    platform: process.platform,
    uid: process.getuid?.() ?? -1,
    executable,
    run: (command) => Bun.spawn([...command], { stdin: 'inherit', stdout: 'inherit', stderr: 'inherit' }).exited,
    fetch,
    wait: (ms) => new Promise((resolve) => void systemClock.after(ms, () => resolve())),
  }
}

import { existsSync, lstatSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { systemClock } from '../../async/system-clock.ts'
import { configFolder, stateFolder } from '../../config/folders.ts'
import { loadConfig } from '../../config/load.ts'
import { configWarnings, newKey } from '../../config/policy.ts'
import { UsageError } from '../../config/usage-error.ts'
import { upstreamKinds } from '../../upstreams/index.ts'
import { installed, programNames } from '../client-programs.ts'
import { urlOf } from '../client-target.ts'
import { refuseForeignFolders } from '../foreign-folder.ts'
import { hasSecret, readSecret, readSecretAsRoot } from '../gateway-secret.ts'
import { type Io, realPath } from '../io.ts'
import { launchd } from '../service/launchd.ts'
import { inNixStore } from '../service/program-place.ts'
import { systemCommands } from '../service/run-command.ts'
import type { ServiceManager, ServicePlace, ServiceStep } from '../service/service-manager.ts'
import { exitCodeOf, follow as followSteps, type RunCommand } from '../service/steps.ts'
import { systemd } from '../service/systemd.ts'
import { windowsTask } from '../service/windows-task.ts'
import type { ServiceOptions } from '../service-options.ts'
import { quoteForShell } from '../shell-syntax.ts'

/** The parts of the system that the command uses, passed in so that tests can replace them. */
export interface Machine {
  platform: NodeJS.Platform
  uid: number
  /** The path of the compiled executable; `undefined` when run from source. */
  executable: string | undefined
  run: RunCommand
  fetch: typeof globalThis.fetch
  /** Whether the gateway at `url` has the secret of the service, which is in its state folder. */
  proves(url: string, stateFolder: string): Promise<boolean>
  /** The folder that stands for the root of the file system; empty but in tests. */
  root: string
  wait(ms: number): Promise<void>
}

/** Installs, watches and removes the service. Resolves with the exit code. Errors: UsageError. */
export async function service(io: Io, options: ServiceOptions, machine = thisMachine(io)): Promise<number> {
  const { action, scope } = options
  const manager = managerFor(scope, io, machine)
  switch (action) {
    case 'install':
      return await install(manager, io, options, machine)
    case 'uninstall':
      return await uninstall(manager, io, options, machine)
    case 'status':
      return await status(manager, io, machine)
    case 'restart':
      return await exitCodeOf(manager.restart, io, machine.run)
    case 'logs':
      return await exitCodeOf(manager.logs(options.follow), io, machine.run)
    default:
      return action satisfies never
  }
}

async function install(manager: ServiceManager, io: Io, { dryRun }: ServiceOptions, machine: Machine): Promise<number> {
  const { run, executable, wait } = machine
  if (!dryRun && executable === undefined)
    throw new UsageError('a service needs the executable; make build compiles it, then dist/zai2api service install')
  if (!dryRun) {
    const code = await probed(manager, io, machine)
    if (code !== 0) {
      const self = io.self ?? 'zai2api'
      io.stderr(`zai2api: ${noManager}; nothing was written. ${self} serve runs it in this terminal\n`)
      return code
    }
  }
  const code = await followSteps(manager.install, { dryRun, io, run, wait })
  return code === 0 && !dryRun ? announce(manager, io, machine) : code
}

/** The exit code of `systemctl status` for a unit that it does not know. */
const noSuchService = 4

/**
 * If there is no service, the service manager is not called: it may not be running, and its own error message would
 * confuse.
 */
async function status(manager: ServiceManager, io: Io, machine: Machine): Promise<number> {
  const isThere = existing(manager.uninstall).length > 0
  const code = isThere ? await exitCodeOf(manager.status, io, machine.run) : noSuchService
  io.stdout(
    isThere ? '\n' : `There is no service (${manager.title}); ${io.self ?? 'zai2api'} service install makes one.\n`,
  )
  io.stdout(`${await health(manager, io, machine)}\n`)
  return code
}

/** Such as in a container, or in WSL before systemd is switched on there. */
const noManager = 'the service manager of this machine does not run, or cannot be reached by you'

/** The exit code of the manager's probe; 0 without one. */
async function probed({ probe }: ServiceManager, io: Io, { run }: Machine): Promise<number> {
  return probe === undefined ? 0 : await exitCodeOf(probe, io, run)
}

async function uninstall(
  manager: ServiceManager,
  io: Io,
  { dryRun, purge }: ServiceOptions,
  machine: Machine,
): Promise<number> {
  const isReached = dryRun || (await probed(manager, io, machine)) === 0
  if (!isReached) io.stderr(`zai2api: ${noManager}: a service that runs is not stopped, files alone are removed\n`)
  const tools = { dryRun, io, run: machine.run, wait: machine.wait }
  const isStopped = !isReached || (await followSteps(manager.stop, tools)) === 0
  // One may have been started by hand, or by a service manager that cannot be reached.
  const url = dryRun || (isReached && !purge) ? undefined : await ownGatewayAt(manager, io, machine)
  if (!isStopped || url !== undefined) {
    const problem = isStopped
      ? `a gateway with these data still answers at ${url}; stop it first,`
      : 'the service still runs, and'
    io.stderr(`zai2api: ${problem} nothing was removed\n`)
    return 1
  }
  const wasThere = existing(manager.uninstall).length > 0
  const hadData = existing(manager.purge).length > 0
  const links = purge ? linksAmong(existing(manager.purge)) : []
  const files = [...manager.uninstall, ...(purge ? manager.purge : [])]
  const steps = isReached ? files : files.filter(({ kind }) => kind !== 'run')
  const code = await followSteps(steps, tools)
  if (code !== 0 || dryRun) return code
  io.stdout(wasThere ? 'The service is removed.\n' : 'There was no service.\n')
  io.stdout(whatStays(manager, { isRemovedNow: wasThere || (purge && hadData), links }, io))
  return 0
}

/** The address at which a gateway with the data of the service answers; `undefined` if none does. */
async function ownGatewayAt(manager: ServiceManager, io: Io, { proves }: Machine): Promise<string | undefined> {
  const url = urlOrNone(manager, io)
  return url !== undefined && (await proves(url, manager.stateFolder)) ? url : undefined
}

/** No address where the settings have a mistake, with which no gateway starts. */
function urlOrNone(manager: ServiceManager, io: Io): string | undefined {
  try {
    return urlIn(manager, io)
  } catch (thrown) {
    if (thrown instanceof UsageError) return undefined
    throw thrown
  }
}

/** Links that are removed, and what they lead to, which stays. */
function linksAmong(paths: readonly string[]): { link: string; target: string }[] {
  return paths.flatMap((link) => (lstatSync(link).isSymbolicLink() ? [{ link, target: realpathSync(link) }] : []))
}

interface Removed {
  isRemovedNow: boolean
  links: readonly { link: string; target: string }[]
}

/** What remains of the service after it was removed, and how to remove that. */
function whatStays(
  { purge, left }: ServiceManager,
  { isRemovedNow, links }: Removed,
  { self = 'zai2api' }: Io,
): string {
  const kept = existing(purge)
  // Another user may get the number of one that is removed, and then what belonged to it.
  const isLast = isRemovedNow && kept.length === 0
  const rows = [
    ...(kept.length === 0 ? [] : [{ what: kept.join(', '), removal: `${self} service uninstall --purge` }]),
    ...links.map(({ link, target }) => ({
      what: `${target}, to which ${link} led`,
      removal: `rm -r ${quoteForShell(target)}`,
    })),
    ...left.filter(({ path }) => (path === undefined ? isLast : existsSync(path))),
  ]
  const lines = rows.map(({ what, removal }) => `  ${what}: ${removal}\n`)
  return lines.length === 0 ? '' : `What stays, and what removes it:\n${lines.join('')}`
}

/** The existing paths among those that the steps remove. */
function existing(steps: readonly ServiceStep[]): string[] {
  return steps.flatMap((step) => (step.kind === 'remove' && existsSync(step.path) ? [step.path] : []))
}

function managerFor(scope: ServiceOptions['scope'], { env }: Io, machine: Machine): ServiceManager {
  const { platform, uid, root } = machine
  const executable = machine.executable ?? 'zai2api'
  const folder = configFolder(env)
  const state = stateFolder({ ...env, STATE_DIRECTORY: undefined })
  const home = env.HOME ?? env.USERPROFILE
  if (folder === undefined || state === undefined || home === undefined)
    throw new UsageError('there is no folder for your configuration: HOME is not set')
  if (platform !== 'linux' && (scope === 'system' || uid === 0))
    throw new UsageError('a service for all users is known on Linux alone; install one for you, without sudo')
  const searchPath = (env.PATH ?? '').split(delimiter)
  const place: ServicePlace = {
    ...{ executable, searchPath, temporaryFolder: tmpdir(), profileLink: profileLink(executable, searchPath), root },
    scope: scope ?? (uid === 0 ? 'system' : 'user'),
    ...{ home, configFolder: folder, stateFolder: state, uid },
    account: [env.USERDOMAIN, env.USERNAME].filter(Boolean).join('\\'),
    windowsFolder: env.SystemRoot || 'C:\\Windows',
    freshConfig: freshConfig(env.ZAI_API_KEY),
  }
  refuseControlCharacters([executable, home, folder, state])
  if (place.scope === 'user') refuseForeignFolders([home, folder, state], uid, ', or --system for all users')
  switch (platform) {
    case 'linux':
      if (place.scope === 'system' && uid !== 0)
        throw new UsageError('a service for all users is installed by root; sudo, or --user for you alone')
      return systemd(place)
    case 'darwin':
      return launchd(place)
    case 'win32':
      if (!env.USERNAME) throw new UsageError('the task needs your name in USERNAME, which is not set')
      return windowsTask(place)
    default:
      throw new UsageError(`no service manager is known for ${platform}`)
  }
}

/** Errors: UsageError for a path that would end its line in the definition of a service. */
function refuseControlCharacters(paths: readonly string[]): void {
  const path = paths.find((each) => /\p{Cc}/u.test(each))
  if (path !== undefined) throw new UsageError(`${JSON.stringify(path)} has a control character in its name`)
}

/** The link of a profile of Nix that leads to this executable. */
function profileLink(executable: string, searchPath: readonly string[]): string | undefined {
  if (!inNixStore.test(executable)) return undefined
  const links = searchPath.filter((folder) => !inNixStore.test(folder)).map((folder) => join(folder, 'zai2api'))
  return links.find((link) => realPath(link) === executable)
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

const startTimeoutMs = 15_000
const pollMs = 250

/** Waits for the service to answer and says what to do next. Resolves with 1 if it does not. */
async function announce(manager: ServiceManager, io: Io, machine: Machine): Promise<number> {
  const url = urlIn(manager, io)
  for (let waited = 0; waited < startTimeoutMs; waited += pollMs) {
    if (await machine.proves(url, manager.stateFolder)) {
      io.stdout(firstSteps(manager, io, machine))
      return 0
    }
    await machine.wait(pollMs)
  }
  const self = io.self ?? 'zai2api'
  const problem = (await lives(url, machine))
    ? `another program answers at ${url}, and not the service`
    : `the service does not answer at ${url}`
  io.stderr(`zai2api: ${problem}; ${self} service logs tells why\n`)
  return 1
}

/**
 * Says what runs, what is missing, and what to do next. The user's other commands recognise only the user's own
 * service.
 */
function firstSteps(manager: ServiceManager, io: Io, machine: Machine): string {
  const { configPath, title, note, scope } = manager
  const loaded = loadedFrom(configPath, io)
  const { config } = loaded
  const self = io.self ?? 'zai2api'
  const isOwn = scope === 'user'
  const isOpen = config.authToken === undefined
  const client = programNames.find((program) => installed(program, io) !== undefined) ?? 'env openai'
  return [
    `The service answers at ${urlIn(manager, io)} (${title}).\n`,
    `Settings${isOpen ? '' : ', and the key that clients send'}: ${configPath}\n`,
    isOpen ? 'It takes any key, from this machine only; auth_token in that file sets one.\n' : '',
    aboutProgram(manager, machine),
    ...configWarnings(loaded).map(({ message }) => `${message}\n`),
    ...(config.zaiApiKeys.length > 0
      ? []
      : [
          `It has no key for Z.AI yet: ${isOwn ? `${self} setup puts one` : 'put zai_api_key'} into that file; no restart is needed.\n`,
        ]),
    note === undefined ? '' : `${note}\n`,
    isOwn ? `Next: ${self} ${client}\n` : '',
  ].join('')
}

/** The file that the service runs, if it is a copy of the executable of this command. */
function aboutProgram({ program, isCopied }: ServiceManager, { executable }: Machine): string {
  if (!isCopied) return ''
  return `It runs a copy, ${program}: ${program} update brings it up to date, and ${executable} is not needed any more.\n`
}

async function health(manager: ServiceManager, io: Io, machine: Machine): Promise<string> {
  const url = urlIn(manager, io)
  if (!(await lives(url, machine))) return `Nothing answers at ${url}.`
  if (!(await machine.proves(url, manager.stateFolder)))
    return `Something answers at ${url} that does not prove to be this gateway.`
  const ready = await machine.fetch(`${url}/readyz`, local()).then(
    ({ ok }) => ok,
    () => false,
  )
  return ready
    ? `A gateway answers at ${url}, and a request could succeed now.`
    : `A gateway answers at ${url}, but no upstream is ready.`
}

function lives(url: string, { fetch }: Machine): Promise<boolean> {
  return fetch(`${url}/healthz`, local()).then(
    ({ ok }) => ok,
    () => false,
  )
}

const probeTimeoutMs = 5_000

/** Never through a proxy: it would take loopback for its own machine. */
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

function thisMachine({ executable, env }: Io): Machine {
  const uid = process.getuid?.() ?? -1
  return {
    ...{ platform: process.platform, uid, executable, root: '', fetch },
    run: systemCommands(env, uid),
    proves: async (url, folder) => {
      const secret = uid === 0 ? readSecretAsRoot(folder) : readSecret(folder)
      return secret !== undefined && (await hasSecret(url, secret))
    },
    wait: (ms) => new Promise((resolve) => void systemClock.after(ms, () => resolve())),
  }
}

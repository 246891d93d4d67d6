import { constants } from 'node:os'
import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { compose } from '../../compose.ts'
import type { Config, LoadedConfig } from '../../config/load.ts'
import { newKey } from '../../config/policy.ts'
import { credentialOf, settingList } from '../../config/table.ts'
import { createRedactor } from '../../core/known-secrets.ts'
import { listen } from '../../server/listen.ts'
import { makeClientHome } from '../client-home.ts'
import { type ClientProgram, installed, programs } from '../client-programs.ts'
import { clientTargetOf, type GatewayAddress, keysOf, local, provesBy, urlOf, whoListens } from '../client-target.ts'
import { clientSetups } from '../clients/index.ts'
import type { ClientSetup, ClientTarget, Variable } from '../clients/setup.ts'
import type { Io } from '../io.ts'
import { withStateFile } from '../state-file.ts'
import { promptNotice } from '../trust.ts'
import { logUncaught } from './serve.ts'

/** The exit codes that shells use: for a missing program, and the base to which the number of a signal is added. */
const notFound = 127
const killed = 128
/** Log lines kept while the client uses the terminal. They are printed when it has ended. */
const keptLines = 20

/** Runs a client on the gateway and leaves it the terminal. Resolves with its exit code, or 128 + n for signal n. */
export async function launch(
  program: ClientProgram,
  args: readonly string[],
  loaded: LoadedConfig,
  io: Io,
): Promise<number> {
  const { title, install } = programs[program]
  const executable = installed(program, io)
  if (executable === undefined) {
    io.stderr(`zai2api: ${title} is not installed: there is no ${program} on the PATH; ${install}\n`)
    return notFound
  }
  const notice = promptNotice(loaded)
  if (notice !== undefined) io.stderr(`zai2api: ${notice}\n`)
  const gateway = (await runningGateway(program, loaded, io)) ?? (await startGateway(loaded, io))
  try {
    const setup: ClientSetup = clientSetups[program]
    const [found] = await Promise.all([clientTargetOf(program, gateway, loaded), noteUnready(gateway, title, io)])
    const target = withStateFile(found, setup, io)
    const isOwnCommand = setup.commands?.includes(args[0] ?? '')
    const command = [executable, ...((!isOwnCommand && setup.args?.(target)) || []), ...args]
    const inherited = withoutCredentials(io.env, loaded)
    const variables = [...(setup.variables?.(target) ?? []), ...homeVariables(program, setup, target, io)]
    return await run(command, environment(inherited, variables, target))
  } finally {
    await gateway.stop()
  }
}

function homeVariables(program: ClientProgram, { home }: ClientSetup, target: ClientTarget, { env }: Io): Variable[] {
  const path = home && makeClientHome(program, home, target, env)
  return home && path ? [{ name: home.variable, value: path, why: 'Its settings, on top of the own ones.' }] : []
}

interface RunningGateway extends GatewayAddress {
  stop(): Promise<void>
}

/** The user's gateway that already runs at the configured address; `undefined` if there is none. */
async function runningGateway(
  program: ClientProgram,
  { config }: LoadedConfig,
  io: Io,
): Promise<RunningGateway | undefined> {
  const url = urlOf(config)
  if (config.listenPort === 0) return undefined
  const listener = await whoListens(url, fetch, provesBy(io))
  if (listener === 'stranger')
    io.stderr(`zai2api: what listens at ${url} does not prove to be your gateway; starting one for this run\n`)
  if (listener !== 'own') return undefined
  const unused = io.env.ZAI_API_KEY
    ? `, with its own upstreams and not with ZAI_API_KEY of this command, which ${io.self ?? 'zai2api'} --port 0 ${program} uses`
    : ''
  io.stderr(`zai2api: using the gateway that runs at ${url}${unused}\n`)
  return { url, ...keysOf(config), fetch, stop: async () => {} }
}

const Unready = Type.Object({ reason: Type.String() })
const readyTimeoutMs = 5_000

/** Says why no request could succeed now. The client itself may try for minutes before it says anything. */
async function noteUnready({ url, fetch }: GatewayAddress, title: string, { self, stderr }: Io): Promise<void> {
  try {
    const response = await fetch(`${url}/readyz`, local(readyTimeoutMs))
    const body: unknown = response.ok ? undefined : JSON.parse(await response.text())
    if (!Value.Check(Unready, body)) return
    stderr(`zai2api: ${body.reason} ${title} is started all the same; ${self ?? 'zai2api'} doctor tells more\n`)
  } catch {
    // If the gateway does not answer, there is no known problem to report.
  }
}

/** Starts a gateway for this run only: on any free port, with a new key, and without output while the client runs. */
async function startGateway({ config }: LoadedConfig, io: Io): Promise<RunningGateway> {
  const key = newKey((bytes) => crypto.getRandomValues(bytes))
  const lines: string[] = []
  const logLevel = config.logLevel === 'off' ? 'off' : 'error'
  const own: Config = { ...config, authToken: key, anthropicApiKey: key, corsOrigins: [], logLevel }
  const write = (line: () => string) => {
    if (lines.push(line()) > keptLines) lines.shift()
  }
  const { app, log } = await compose(own, io.version, { write })
  // The client keeps running. The errors are printed when it has ended.
  logUncaught(log, () => {})
  const server = listen(app, '127.0.0.1', 0)
  return {
    url: server.url,
    openaiKey: key,
    anthropicKey: key,
    fetch,
    async stop() {
      await server.stop(0)
      for (const line of lines) io.stderr(line)
    },
  }
}

/**
 * Removes the variables of all credential settings, and every variable whose value contains a credential of an upstream,
 * also in base64 or only its secret half. The client runs commands that a model chooses, and needs none of them.
 * ANTHROPIC_AUTH_TOKEN, for example, often holds the key of a user who ran the client on Z.AI without a gateway.
 */
function withoutCredentials(inherited: Io['env'], { config }: LoadedConfig): Io['env'] {
  const names = new Set(settingList.flatMap((setting) => (credentialOf(setting) === undefined ? [] : [setting.env])))
  const { zaiApiKeys, zaiTokens, backupToken = [], upstreams } = config
  const ofRows = upstreams.flatMap(({ row }) => row?.keys ?? [])
  const secrets = [zaiApiKeys, zaiTokens, backupToken, ofRows].flat().filter(({ length }) => length >= shortestSecret)
  const redact = createRedactor(secrets)
  const kept = Object.entries(inherited).filter(
    // Names are case-insensitive on Windows.
    ([name, value = '']) => !names.has(name.toUpperCase()) && redact(value) === value,
  )
  return Object.fromEntries(kept)
}

/** In characters. A shorter text could be part of another variable by chance. */
const shortestSecret = 8

function environment(
  inherited: Io['env'],
  variables: readonly Variable[],
  { url }: ClientTarget,
): Record<string, string> {
  const environment = new Map<string, string | undefined>(Object.entries(inherited))
  for (const { name, value } of variables) environment.set(name, value)
  for (const [name, value] of noProxyVariables(inherited, new URL(url).hostname)) environment.set(name, value)
  return Object.fromEntries([...environment].flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}

/** Exempts the gateway from the client's proxy. The proxy would take a loopback address for its own machine. */
function noProxyVariables(inherited: Io['env'], host: string): [string, string][] {
  const proxied = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'].some(
    (name) => inherited[name] || inherited[name.toLowerCase()],
  )
  if (!proxied) return []
  const exceptions = [inherited.NO_PROXY || inherited.no_proxy, host].filter(Boolean).join(',')
  return [
    ['NO_PROXY', exceptions],
    ['no_proxy', exceptions],
  ]
}

const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

async function run(command: string[], env: Record<string, string>): Promise<number> {
  // Set before the client runs: a signal that comes sooner would end this process alone. They are called after the start.
  let client: Bun.Subprocess | undefined
  const forward = (signal: NodeJS.Signals) => {
    // A terminal sends its signals to the client as well. Forwarding Ctrl-C would deliver it twice, which ends the client.
    const typed = process.stdin.isTTY && (signal === 'SIGINT' || signal === 'SIGQUIT')
    if (!typed) client?.kill(signal)
  }
  for (const signal of forwarded) process.on(signal, forward)
  try {
    client = Bun.spawn(command, { env, stdin: 'inherit', stdout: 'inherit', stderr: 'inherit' })
    const code = await client.exited
    return client.signalCode === null ? code : killed + numberOf(client.signalCode)
  } finally {
    for (const signal of forwarded) process.off(signal, forward)
  }
}

function numberOf(signal: NodeJS.Signals | number): number {
  return typeof signal === 'number' ? signal : constants.signals[signal]
}

import { systemClock } from '../../async/system-clock.ts'
import { compose } from '../../compose.ts'
import { stateFolder } from '../../config/folders.ts'
import type { Config, LoadedConfig } from '../../config/load.ts'
import { configWarnings } from '../../config/policy.ts'
import { isProxied } from '../../config/proxy-variables.ts'
import { asGatewayError } from '../../core/errors.ts'
import type { Gateway } from '../../gateway/index.ts'
import { cachedLookup, systemLookup } from '../../http-client/dns.ts'
import { losslessFetch, plainFetch } from '../../http-client/lossless-fetch.ts'
import type { Log } from '../../observe/log.ts'
import { listen, listenForMetrics } from '../../server/listen.ts'
import { programOf } from '../admin-program.ts'
import { refuseEndless } from '../config-files.ts'
import { foreignStateWarning } from '../foreign-folder.ts'
import { ensureSecret } from '../gateway-secret.ts'
import { greeting, readyLine, type Started } from '../greeting.ts'
import type { Reread } from '../index.ts'
import type { Io } from '../io.ts'
import { reloader } from '../reload.ts'
import { terminalGone } from '../terminal-gone.ts'
import { watchFiles } from '../watch-files.ts'
import { quotaLines } from './quota.ts'

/**
 * Serves until SIGTERM, SIGINT or the end of its terminal. Reads its configuration again when the files change, and on
 * SIGHUP if there is no terminal.
 */
export function serve(loaded: LoadedConfig, io: Io, reread: Reread): Promise<number> {
  return serveWith(loaded, io, io.stdoutTerminal === undefined ? readyLine : greeting, reread)
}

/** Resolves with the exit code. What `greet` returns is printed once the port is open. */
export async function serveWith(loaded: LoadedConfig, io: Io, greet: Greeting, reread?: Reread): Promise<number> {
  const { config } = loaded
  // Only Bun's own fetch supports proxies.
  const outgoing = isProxied(io.env) ? plainFetch(fetch) : losslessFetch(fetch, cachedLookup(systemLookup, systemClock))
  const { stderr: write, stderrLosses: losses, stderrTerminal: terminal } = io
  const logLines = { write, ...(losses ? { losses } : {}), terminal }
  const proof = proofSecretOf(io)
  const kept = { folder: stateFolder(io.env) }
  try {
    // The running configuration, and the one that was read last, which may have been refused.
    let [shown, lastRead] = [loaded, loaded]
    const program = (gateway: Gateway) => programOf(gateway, () => shown, io)
    const assembled = await compose(config, io.version, logLines, {
      ...{ fetch: outgoing, proofSecret: proof.secret, kept, program },
    })
    const { app, gateway, log, metrics } = assembled
    const stopped = stopRequested(log)
    const server = opened('--port', io, config.host, config.listenPort, (host, port) =>
      listen(app, host, port, assembled.running, config.reusePort),
    )
    const metricsServer =
      metrics && config.metricsPort > 0
        ? opened('--metrics-port', io, '127.0.0.1', config.metricsPort, (_, port) => listenForMetrics(metrics, port))
        : undefined
    if (metricsServer) log.info('metrics without a key', { url: metricsServer.url })
    const logWarnings = warningLogger(log)
    const watchedConfig = reread && {
      ...reread,
      load: () => {
        refuseEndless(reread.files)
        lastRead = logWarnings(reread.load())
        return lastRead
      },
    }
    const apply = (changed: Config) => {
      assembled.apply(changed)
      shown = lastRead
    }
    const reload = watchedConfig && reloader({ loaded, apply, log, load: watchedConfig.load })
    const gone = terminalGone(reload && (() => reload(false)))
    const stopWatching =
      watchedConfig && reload
        ? watchFiles({ files: watchedConfig.files, clock: systemClock, log, changed: () => reload(true) })
        : () => {}
    // Logged once watching has begun, so that files changed after this line are noticed.
    io.stdout(greet({ url: server.url, config, io }))
    logWarnings(loaded)
    const foreign = reread && foreignStateWarning(io.env)
    if (foreign !== undefined) log.warn(foreign)
    if (proof.problem) log.info('zai2api claude and its kin will not know this gateway', { because: proof.problem })
    void announceReadiness(gateway, config, log, io)
    const { reason, exitCode } = await Promise.race([stopped, gone.then(() => ({ reason: 'SIGHUP', exitCode: 0 }))])
    log.info('stopping: running answers may finish', { reason, deadlineMs: config.shutdownMs })
    stopWatching()
    // Stops listening first: requests that have arrived are answered, and later ones go to another gateway.
    await server.close()
    assembled.drain()
    log.info('stopped', { answers: await server.stop(config.shutdownMs, assembled.endReplies) })
    await Promise.all([metricsServer?.stop(), assembled.close()])
    return exitCode
  } catch (thrown) {
    io.stderr(`zai2api: ${thrown instanceof Error ? thrown.message : String(thrown)}\n`)
    return 1
  }
}

/** The secret that proves to the user's other commands that the gateway is the user's, or why there is none. */
function proofSecretOf({ env }: Io): { secret?: string; problem?: string } {
  const folder = stateFolder(env)
  if (folder === undefined) return { problem: 'neither HOME nor STATE_DIRECTORY is set' }
  try {
    return { secret: ensureSecret(folder) }
  } catch (cause) {
    return { problem: String(cause) }
  }
}

type Greeting = (started: Started) => string

/** Returns a function that logs the warnings of a configuration and returns it. Each warning is logged only once. */
function warningLogger(log: Log): (loaded: LoadedConfig) => LoadedConfig {
  const logged = new Set<string>()
  return (loaded) => {
    for (const { message, serious } of configWarnings(loaded).filter((warning) => !logged.has(warning.message))) {
      logged.add(message)
      log[serious ? 'error' : 'warn'](message)
    }
    return loaded
  }
}

/** Checks the upstreams at the start and logs the result, so that a problem is known before the first request. */
async function announceReadiness(gateway: Gateway, config: Config, log: Log, io: Io): Promise<void> {
  try {
    await gateway.check(AbortSignal.timeout(15_000))
    log.info('ready', { models: (await gateway.models()).length, quota: await quotaLeft(config) })
  } catch (thrown) {
    const error = asGatewayError(thrown)
    const { self = 'zai2api' } = io
    log.warn(`not ready yet; requests are tried all the same, and ${self} doctor says what to mend`, {
      error: error.code,
      reason: error.message,
    })
  }
}

/** How much of the plans is used, for the log; `undefined` if no quota could be read. */
async function quotaLeft(config: Config): Promise<string | undefined> {
  const lines = await quotaLines(config)
  return lines.length === 0 ? undefined : lines.join('; ')
}

/**
 * Handles uncaught errors. A rejected promise is only logged, because one request must not end the server for all
 * others. A thrown error may leave the program in an inconsistent state: the first one is logged, and `crashed` called.
 */
export function logUncaught(log: Log, crashed: () => void): void {
  let isFirst = true
  process.on('unhandledRejection', (reason) => log.error('a promise was rejected and nobody listened', { reason }))
  process.on('uncaughtException', (error) => {
    if (!isFirst) return
    isFirst = false
    log.error('an error was thrown and nobody caught it', { error })
    crashed()
  })
}

/** Resolves when the server has to stop: on a signal, or with exit code 1 after an uncaught error. */
export function stopRequested(log: Log): Promise<{ reason: string; exitCode: number }> {
  return new Promise((resolve) => {
    logUncaught(log, () => resolve({ reason: 'an error that nobody caught', exitCode: 1 }))
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.once(signal, () => {
        resolve({ reason: signal, exitCode: 0 })
        // A second signal ends the process at once.
        process.once(signal, () => process.exit(130))
      })
  })
}

/** Opens the port that `flag` sets. Throws an Error whose message says what to do. */
function opened<Server>(
  flag: string,
  io: Io,
  host: string,
  port: number,
  open: (host: string, port: number) => Server,
): Server {
  try {
    return open(host, port)
  } catch (cause) {
    throw new Error(cannotListen(cause, flag, host, port) + withMake(flag, io), { cause })
  }
}

/** How the flag is given to `make run`, which set the variable. */
function withMake(flag: string, { env, executable }: Io): string {
  return env.MAKELEVEL === undefined || executable !== undefined ? '' : ` (with make: ARGS="${flag} NUMBER")`
}

function cannotListen(thrown: unknown, flag: string, host: string, port: number): string {
  if (thrown instanceof Error && 'code' in thrown) {
    if (thrown.code === 'EADDRINUSE') {
      const other = flag === '--port' ? '--port 0 for any free one' : '0 for none'
      return `port ${port} on ${host} is taken; choose another with ${flag}, or ${other}`
    }
    if (thrown.code === 'EACCES') return `port ${port} on ${host} needs more rights; choose one above 1023 with ${flag}`
  }
  const reason = thrown instanceof Error ? thrown.message : String(thrown)
  return `cannot listen on ${host}:${port}: ${reason}`
}

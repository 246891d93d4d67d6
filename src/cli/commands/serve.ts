import { gcAndSweep } from 'bun:jsc'
import { systemClock } from '../../async/system-clock.ts'
import { compose } from '../../compose.ts'
import { stateFolder } from '../../config/folders.ts'
import type { Config, LoadedConfig } from '../../config/load.ts'
import { configWarnings } from '../../config/policy.ts'
import { isProxied } from '../../config/proxy-variables.ts'
import { asGatewayError } from '../../core/errors.ts'
import type { Gateway } from '../../gateway/index.ts'
import { cachedLookup, systemLookup } from '../../http-client/dns.ts'
import { losslessFetch } from '../../http-client/lossless-fetch.ts'
import type { Log } from '../../observe/log.ts'
import { memoryReadings } from '../../observe/memory.ts'
import { listen, listenForMetrics } from '../../server/listen.ts'
import { refuseEndless } from '../config-files.ts'
import { ensureSecret } from '../gateway-secret.ts'
import type { Reread } from '../index.ts'
import type { Io } from '../io.ts'
import { releaseMemoryWhenIdle } from '../memory-release.ts'
import { reloader } from '../reload.ts'
import { terminalGone } from '../terminal-gone.ts'
import { watchFiles } from '../watch-files.ts'
import { quotaLines } from './quota.ts'

/**
 * Serves until SIGTERM, SIGINT or the end of its terminal, and reads its configuration anew when its files change, and
 * on SIGHUP where there is no terminal.
 */
export function serve(loaded: LoadedConfig, io: Io, reread: Reread): Promise<number> {
  return serveWith(loaded, io, readyLine, reread)
}

/** Resolves with the exit code. `greeting` is printed once the port is open. */
export async function serveWith(loaded: LoadedConfig, io: Io, greeting: Greeting, reread?: Reread): Promise<number> {
  const { config } = loaded
  // Only Bun's own fetch knows proxies.
  const outgoing = isProxied(io.env) ? fetch : losslessFetch(fetch, cachedLookup(systemLookup, systemClock))
  const logLines = { write: io.stderr, ...(io.stderrLosses ? { losses: io.stderrLosses } : {}) }
  const identity = identityOf(io)
  const assembled = await compose(config, io.version, logLines, outgoing, identity.secret)
  const { app, gateway, log, metrics, running, apply } = assembled
  const stopped = stopRequested(log)
  try {
    const server = opened('--port', config.host, config.listenPort, (host, port) => listen(app, host, port))
    const watched =
      metrics && config.metricsPort > 0
        ? opened('--metrics-port', '127.0.0.1', config.metricsPort, (_, port) => listenForMetrics(metrics, port))
        : undefined
    if (watched) log.info('metrics without a key', { url: watched.url })
    const warned = warningLogger(log)
    const reading = reread && {
      ...reread,
      load: () => {
        refuseEndless(reread.files)
        return warned(reread.load())
      },
    }
    const reload = reading && reloader({ loaded, apply, log, load: reading.load })
    const gone = terminalGone(reload && (() => reload(false)))
    const stopWatching =
      reading && reload
        ? watchFiles({ files: reading.files, clock: systemClock, log, changed: () => reload(true) })
        : () => {}
    // Who reads this may change the files at once.
    io.stdout(greeting(server.url, config, io.version))
    const stopMemoryRelease = releaseMemoryWhenIdle({
      ...{ running, resident: memoryReadings(process).resident, clock: systemClock },
      // Not `Bun.gc(true)`: that also throws away compiled code.
      collect: gcAndSweep,
    })
    warned(loaded)
    if (identity.problem)
      log.info('zai2api claude and its kin will not know this gateway', { because: identity.problem })
    void announceReadiness(gateway, config, log)
    const { reason, exitCode } = await Promise.race([stopped, gone.then(() => ({ reason: 'SIGHUP', exitCode: 0 }))])
    log.info('stopping: running answers may finish', { reason, deadlineMs: config.shutdownMs })
    stopWatching()
    stopMemoryRelease()
    assembled.drain()
    log.info('stopped', { answers: await server.stop(config.shutdownMs, assembled.endReplies) })
    await Promise.all([watched?.stop(), assembled.close()])
    return exitCode
  } catch (thrown) {
    io.stderr(`zai2api: ${thrown instanceof Error ? thrown.message : String(thrown)}\n`)
    return 1
  }
}

/** What proves to this user's commands that the gateway is this user's, or why nothing does. */
function identityOf({ env }: Io): { secret?: string; problem?: string } {
  const folder = stateFolder(env)
  if (folder === undefined) return { problem: 'neither HOME nor STATE_DIRECTORY is set' }
  try {
    return { secret: ensureSecret(folder) }
  } catch (cause) {
    return { problem: String(cause) }
  }
}

type Greeting = (url: string, config: Config, version: string) => string

/** Passes a configuration on and tells what is doubtful about it, each thing once, however often it is read. */
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

/** What `serve` prints once the port is open. */
export function readyLine(url: string, config: Config, version: string): string {
  const ready = `zai2api ${version} listening on ${url} (upstream ${config.upstreams.map(({ id }) => id).join(', ')}; docs at ${url}/docs)\n`
  return isGuest(config) ? `${ready}${guestNote}\n` : ready
}

const guestNote =
  'Without ZAI_API_KEY or ZAI_TOKEN you are a guest at chat.z.ai, which often asks guests for a captcha. With ZAI_API_KEY in .env answers come from the official API.'

/** Nobody's account stands behind the answers. */
function isGuest({ upstreams, zaiTokens, backupToken }: Config): boolean {
  return upstreams[0]?.id === 'zai-web' && zaiTokens.length === 0 && backupToken === undefined
}

/** The first request should not be the first to learn that nothing works. */
async function announceReadiness(gateway: Gateway, config: Config, log: Log): Promise<void> {
  try {
    await gateway.check(AbortSignal.timeout(15_000))
    log.info('ready', { models: (await gateway.models()).length, quota: await quotaLeft(config) })
  } catch (thrown) {
    const error = asGatewayError(thrown)
    log.warn('not ready yet; requests are tried all the same', { error: error.code, reason: error.message })
  }
}

/** How much of the plan is used is worth knowing before the work begins; `undefined` where no key tells. */
async function quotaLeft(config: Config): Promise<string | undefined> {
  const lines = await quotaLines(config)
  return lines.length === 0 ? undefined : lines.join('; ')
}

/**
 * Listens for what nobody caught. A rejected promise is logged, for one must not take a server down that others are
 * using. After a thrown error nobody knows what was left half done: the first is logged, and `crashed` called.
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
  // Who started the server may have closed what its greeting goes to.
  process.stdout.on('error', () => {})
}

/** Resolves when the server has to stop: a signal, or an error that a supervisor should see as a failure. */
export function stopRequested(log: Log): Promise<{ reason: string; exitCode: number }> {
  return new Promise((resolve) => {
    logUncaught(log, () => resolve({ reason: 'an error that nobody caught', exitCode: 1 }))
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.once(signal, () => {
        resolve({ reason: signal, exitCode: 0 })
        // A second Ctrl-C means it.
        process.once(signal, () => process.exit(130))
      })
  })
}

/** Opens the port that `flag` sets. Errors: one that says what to do. */
function opened<Server>(flag: string, host: string, port: number, open: (host: string, port: number) => Server) {
  try {
    return open(host, port)
  } catch (cause) {
    throw new Error(cannotListen(cause, flag, host, port), { cause })
  }
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

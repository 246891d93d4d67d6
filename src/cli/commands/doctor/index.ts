import { lookup } from 'node:dns/promises'
import { createServer } from 'node:net'
import { systemClock } from '../../../async/system-clock.ts'
import type { Config, LoadedConfig } from '../../../config/load.ts'
import { builtInUpstreams, kindOf, type UpstreamInstance } from '../../../config/upstream-rows.ts'
import { UsageError } from '../../../config/usage-error.ts'
import { type Examined, type Finding, fail, failed, skip } from '../../../core/finding.ts'
import { upstreamKinds } from '../../../upstreams/index.ts'
import type { UpstreamKinds } from '../../../upstreams/upstream-kind.ts'
import { provesBy } from '../../client-target.ts'
import type { Io } from '../../io.ts'
import { originOf } from '../../recipients.ts'
import { runningGateway } from '../../running-gateway.ts'
import { access, configuration, configWarningFindings, port, proxy, proxyFor } from './local-setup.ts'
import { network } from './network.ts'
import type { Probes } from './probes.ts'
import { proxyFiles } from './proxy-files.ts'
import { answers } from './whole-gateway.ts'

export interface DoctorOptions {
  json: boolean
  offline: boolean
}

/** Checks everything in the order of cause and effect and prints the findings. Resolves with 1 if a check failed. */
export async function doctor(
  load: () => LoadedConfig,
  io: Io,
  { json, offline }: DoctorOptions,
  edge: Probes = systemEdge(io),
  kinds: UpstreamKinds = upstreamKinds,
): Promise<number> {
  const reported: Finding[] = []
  for await (const finding of examine(load, io, { offline, edge, kinds })) {
    reported.push(finding)
    if (!json) io.stdout(lineOf(finding))
  }
  io.stdout(json ? `${JSON.stringify(reported, undefined, 2)}\n` : countOf(reported))
  return reported.some(failed) ? 1 : 0
}

export interface ExamineOptions {
  /** Skips the checks that ask the network. */
  offline?: boolean
  /** The running gateway examines itself, so it does not ask the gateway on its port. */
  isWithin?: boolean
  edge?: Probes
  kinds?: UpstreamKinds
}

/** Does one check after the other, in the order of cause and effect. */
export async function* examine(
  load: () => LoadedConfig,
  io: Io,
  { offline = false, isWithin = false, edge = systemEdge(io), kinds = upstreamKinds }: ExamineOptions = {},
): AsyncGenerator<Finding> {
  const loaded = loadedOr(load)
  if ('status' in loaded) return yield loaded
  const { config } = loaded
  const proxied = proxy(io.env)
  yield configuration(loaded)
  yield* configWarningFindings(loaded)
  yield access(loaded, edge)
  yield proxied
  const { finding, gateway } = await port(config, edge)
  yield finding
  if (gateway !== undefined && !isWithin) yield await runningGateway(gateway, config, edge)
  if (offline) return yield skip('upstream', 'nothing is asked of the network (--offline)')
  // With an unusable proxy, the results of all further checks would be misleading.
  if (failed(proxied)) return
  let usable = false
  for (const examined of config.upstreams.map((instance) => upstream(instance, config, io, edge, kinds))) {
    const { findings, ...rest } = await examined
    yield* findings
    usable ||= rest.usable
  }
  if (usable) yield* answers(config, io.version, edge, kinds)
  else yield skip('answers', 'not tried: no upstream of these settings can be reached')
}

function loadedOr(load: () => LoadedConfig): LoadedConfig | Finding {
  try {
    const loaded = load()
    for (const id of builtInUpstreams) originOf({ id }, loaded.config)
    for (const instance of loaded.config.upstreams) originOf(instance, loaded.config)
    return loaded
  } catch (thrown) {
    if (!(thrown instanceof UsageError)) throw thrown
    const { problem, remedy } = thrown
    return fail('configuration', problem, sentence(remedy) ?? 'Correct it there; zai2api help settings lists them all.')
  }
}

function sentence(text: string | undefined): string | undefined {
  return text && `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

/** Checks the network first. The upstream itself is checked only if its origin is reachable. */
async function upstream(
  instance: UpstreamInstance,
  config: Config,
  io: Io,
  edge: Probes,
  kinds: UpstreamKinds,
): Promise<Examined> {
  const origin = originOf(instance, config)
  const reached = origin === undefined ? undefined : await network(origin, proxyFor(origin, io.env), edge)
  if (reached?.usable === false) return reached
  const { findings, usable } = await kindOf(instance, kinds).examine(instance, config, edge)
  return { findings: [...(reached?.findings ?? []), ...findings], usable }
}

const width = 27

/** `fail  api key                 what is wrong`, with what to do on the next line. */
function lineOf({ status, check, says, next }: Finding): string {
  const line = `${status}  ${check.padEnd(width)}${says}\n`
  return next === undefined ? line : `${line}      → ${next}\n`
}

function countOf(reported: readonly Finding[]): string {
  const counts = (['pass', 'warn', 'fail', 'skip'] as const).flatMap((status) => {
    const count = reported.filter((finding) => finding.status === status).length
    return count === 0 ? [] : [`${count} ${status}`]
  })
  return `\n${reported.length} checks: ${counts.join(', ')}\n`
}

function systemEdge(io: Io): Probes {
  return {
    fetch,
    clock: systemClock,
    lookup: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
    tryPort,
    proxyFiles,
    proves: provesBy(io),
  }
}

function tryPort(host: string, port: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const server = createServer()
  server.once('error', (error) => resolve('code' in error ? String(error.code) : error.message))
  server.listen({ host, port, exclusive: true }, () => server.close(() => resolve('free')))
  return promise
}

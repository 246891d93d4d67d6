import { lookup } from 'node:dns/promises'
import { createServer } from 'node:net'
import { systemClock } from '../../../async/system-clock.ts'
import type { Config, LoadedConfig } from '../../../config/load.ts'
import type { UpstreamInstance } from '../../../config/upstream-rows.ts'
import { UsageError } from '../../../config/usage-error.ts'
import { apiAccount, apiAccounts } from '../../../upstreams/zai-api/accounts.ts'
import { provesBy } from '../../client-target.ts'
import type { Io } from '../../io.ts'
import { type Examined, type Finding, fail, failed, pass, skip } from './finding.ts'
import { access, configuration, configWarningFindings, port, proxy, proxyFor } from './local-setup.ts'
import { network } from './network.ts'
import { compatible } from './openai-compatible.ts'
import type { Probes } from './probe.ts'
import { answers } from './whole-gateway.ts'
import { checkZaiApi } from './zai-api.ts'
import { checkZaiWeb } from './zai-web.ts'

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
): Promise<number> {
  const reported: Finding[] = []
  for await (const finding of examine(load, io, offline, edge)) {
    reported.push(finding)
    if (!json) io.stdout(lineOf(finding))
  }
  io.stdout(json ? `${JSON.stringify(reported, undefined, 2)}\n` : countOf(reported))
  return reported.some(failed) ? 1 : 0
}

async function* examine(load: () => LoadedConfig, io: Io, offline: boolean, edge: Probes): AsyncGenerator<Finding> {
  const loaded = loadedOr(load)
  if ('status' in loaded) return yield loaded
  const { config } = loaded
  const proxied = proxy(io.env)
  yield configuration(loaded)
  yield* configWarningFindings(loaded)
  yield access(loaded)
  yield proxied
  yield await port(config, edge)
  if (offline) return yield skip('upstream', 'nothing is asked of the network (--offline)')
  // With an unusable proxy, the results of all further checks would be misleading.
  if (failed(proxied)) return
  let usable = false
  for (const examined of config.upstreams.map((instance) => upstream(instance, config, io, edge))) {
    const { findings, ...rest } = await examined
    yield* findings
    usable ||= rest.usable
  }
  if (usable) yield* await answers(config, io.version, edge)
  else yield skip('answers', 'there is nobody to ask')
}

function loadedOr(load: () => LoadedConfig): LoadedConfig | Finding {
  try {
    const loaded = load()
    apiAccounts(loaded.config)
    return loaded
  } catch (thrown) {
    if (!(thrown instanceof UsageError)) throw thrown
    return fail('configuration', thrown.message, 'Correct it there; zai2api --help lists every setting.')
  }
}

async function upstream(instance: UpstreamInstance, config: Config, io: Io, edge: Probes): Promise<Examined> {
  const { id, row } = instance
  const account = apiAccount(instance, config)
  if (account) return onceReachable(new URL(account.baseUrl).origin, io, edge, () => checkZaiApi(account, edge))
  if (row?.kind === 'openai-compatible')
    return onceReachable(new URL(row.base).origin, io, edge, () => compatible(row, edge))
  if (id === 'demo') return { findings: [pass('demo', 'needs neither network nor account')], usable: true }
  return onceReachable(config.webBaseUrl, io, edge, () => checkZaiWeb(config, edge))
}

/** Checks the network first. `check` runs only if the origin is reachable. */
async function onceReachable(origin: string, io: Io, edge: Probes, check: () => Promise<Examined>): Promise<Examined> {
  const reached = await network(origin, proxyFor(origin, io.env), edge)
  if (!reached.usable) return reached
  const { findings, usable } = await check()
  return { findings: [...reached.findings, ...findings], usable }
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

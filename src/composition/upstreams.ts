import type { OperatedUpstream } from '../admin/upstream-views.ts'
import type { Config } from '../config/load.ts'
import type { Clock } from '../core/clock.ts'
import { createPool, type Wait } from '../gateway/credential-pool/index.ts'
import { createUpstreamHealth, type HealthChange, type UpstreamHealth } from '../gateway/upstream-health.ts'
import type { Fetch } from '../http-client/send.ts'
import type { Log } from '../observe/log.ts'
import { type ConfiguredUpstream, type StartedUpstreams, startUpstreams } from '../upstreams/started-upstreams.ts'
import type { UpstreamKinds } from '../upstreams/upstream-kind.ts'
import type { Cluster } from './cluster.ts'

export interface UpstreamParts {
  current: () => Config
  fetch: Fetch
  clock: Clock
  log: Log
  cluster: Cluster | undefined
}

/** The upstreams with their pools of credentials, whose limits are shared in a cluster. */
export function pooledUpstreams(kinds: UpstreamKinds, parts: UpstreamParts): StartedUpstreams {
  const { current, fetch, clock, log, cluster } = parts
  return startUpstreams(kinds, {
    ...{ fetch, clock, random: Math.random, newUuid: () => crypto.randomUUID() },
    log: (level, message) => log[level](message),
    createPool: ({ upstream, name, startLimit }) => {
      const onLongWait = logLongWait(log, upstream)
      const capacity = cluster?.capacityOf(upstream)
      const pauses = cluster?.pausesOf(upstream)
      return createPool({
        ...{ name, startLimit, clock, random: Math.random, limits: current, capacity, pauses, onLongWait },
        onLapse: ({ length: credentials }) =>
          log.warn('a share of upstream keys has ended with calls under way, and is asked for anew', {
            ...{ upstream, credentials },
          }),
      })
    },
  })
}

function logLongWait(log: Log, upstream: string): (wait: Wait) => void {
  return ({ position, because, leftMs }) =>
    log.info('waiting in line', { upstream, position, because, forSeconds: Math.round(leftMs / 1000) })
}

/** Watches which upstreams answer, and logs each change. */
export function watchedHealth(clock: Clock, log: Log): UpstreamHealth {
  return createUpstreamHealth({ clock, random: Math.random, onChange: logHealthChange(log) })
}

function logHealthChange(log: Log): (change: HealthChange) => void {
  return (change) => {
    const { upstream } = change
    if (change.state === 'up')
      return log.info('the upstream answers again', { upstream, afterSeconds: Math.round(change.afterMs / 1000) })
    const { code, message } = change.error
    log.warn('the upstream does not answer', { upstream, error: code, reason: message })
  }
}

/** What the operator's page sees of an upstream. */
export function operated(
  { quotaReaders = [], ...configured }: ConfiguredUpstream,
  { fetch, clock }: { fetch: Fetch; clock: Clock },
): OperatedUpstream {
  const timeoutMs = 10_000
  const call = () => ({ fetch, clock, signal: AbortSignal.timeout(timeoutMs), timeoutMs })
  return { ...configured, readQuotas: quotaReaders.map((read) => () => read(call())) }
}

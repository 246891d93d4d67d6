import type { Lease, TicketOptions } from '../../../src/core/credential-pool.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import { createPool, type QueueLimits, type Wait } from '../../../src/gateway/credential-pool/index.ts'
import { manualClock } from '../../support/clock.ts'

export const busy = new GatewayError('rate-limited', 'concurrency-limited', { retryAfterMs: 15_000 })
export const refused = new GatewayError('upstream-auth', 'not accepted')

export function setUp(keys: string[] = ['a'], limits: Partial<QueueLimits> = {}, random = () => 0, startLimit = 8) {
  const clock = manualClock()
  const told: Wait[] = []
  const pool = createPool<string>({
    name: 'Z.AI',
    clock,
    random,
    limits: () => ({ queueLimit: 100, queueMs: 120_000, ...limits }),
    startLimit,
    onLongWait: (wait) => void told.push(wait),
  })
  const notes: string[] = []
  const members = (names: string[]) =>
    names.map((key, index) => ({ id: `key ${index + 1}`, secret: key, rank: 0, create: () => key }))
  pool.setMembers(members(keys))
  const turn = (more: Partial<TicketOptions<string>> = {}) =>
    pool.ticket({
      model: 'glm-4.7',
      caller: 'alice',
      accepts: () => true,
      signal: new AbortController().signal,
      noneAccepts: () => new GatewayError('upstream-auth', 'no key', { code: 'no_api_key' }),
      annotate: (note) => void notes.push(note),
      ...more,
    })
  const lease = (more: Partial<TicketOptions<string>> = {}) => turn(more).lease()
  const stateOf = (index = 0) => pool.snapshot().credentials[index]
  return { clock, pool, notes, told, members, turn, lease, stateOf }
}

/** What a promise has come to by now. */
export async function now<T>(promise: Promise<T>): Promise<T | string> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  const told = promise.catch((error: GatewayError) => error.code)
  return Promise.race([
    told,
    Promise.resolve().then(async () => {
      for (let turn = 0; turn < 10; turn++) await Promise.resolve()
      return 'waiting'
    }),
  ])
}

export const credentialOf = async (promise: Promise<Lease<string>>) => (await promise).credential

import type { Clock } from '../../src/core/clock.ts'
import type { Pool } from '../../src/core/credential-pool.ts'
import { createPool, type QueueLimits } from '../../src/gateway/credential-pool/index.ts'

/** Options for a credential pool without randomness. */
export function lending<Credential>(
  clock: Clock,
  limits: QueueLimits = { queueLimit: 100, queueMs: 120_000 },
  startLimit = 8,
): { pool: Pool<Credential>; random: () => number } {
  const random = () => 0
  return { pool: createPool({ name: 'Z.AI', clock, random, limits: () => limits, startLimit }), random }
}

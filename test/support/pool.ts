import type { Clock } from '../../src/core/clock.ts'
import type { Pool } from '../../src/core/credential-pool.ts'
import { createPool, type QueueLimits } from '../../src/gateway/credential-pool/index.ts'

/** For calls that are refused where they would wait for a key or an account that is busy. */
export const nobodyWaits: QueueLimits = { queueLimit: 0, queueMs: 0 }

/** Options for a credential pool without randomness. */
export function lending<Credential>(
  clock: Clock,
  limits: QueueLimits = { queueLimit: 100, queueMs: 120_000 },
  startLimit = 8,
): { pool: Pool<Credential>; random: () => number } {
  const random = () => 0
  return { pool: createPool({ name: 'Z.AI', clock, random, limits: () => limits, startLimit }), random }
}

import type { Clock } from '../core/clock.ts'
import type { SharedCapacity } from '../core/shared-capacity.ts'
import type { SharedPauses } from '../core/shared-pauses.ts'
import type { Database } from '../database/sql.ts'
import { type SharedCharges, sharedCharges } from '../http/shared-charges.ts'
import { sharedSignInSessions } from '../http/shared-sign-in-sessions.ts'
import type { SignInSessions } from '../http/sign-in-sessions.ts'
import { databaseAllowances } from '../store/allowances.ts'
import { databaseCapacity } from '../store/credential-capacity.ts'
import { sweepExpiredRows } from '../store/expired-rows.ts'
import { type LiveGateways, liveGateways } from '../store/live-gateways.ts'
import { operatorSessions } from '../store/operator-sessions.ts'
import { pausedCredentials } from '../store/paused-credentials.ts'

/** What the gateways on one PostgreSQL database share. */
export interface Cluster {
  /** The limits of an upstream's credentials. */
  capacityOf: (upstream: string) => SharedCapacity
  /** The credentials that the operator has paused. */
  pausesOf: (upstream: string) => SharedPauses
  /** The limits of callers. */
  charges: SharedCharges
  /** The sign-ins to the operator's page. */
  signInSessions: SignInSessions
  /** The id of this gateway. */
  node: string
  /** The gateways that are alive. */
  gateways: Pick<LiveGateways, 'isComplete'>
  close(): Promise<void>
}

/** Errors: those of the database. */
export async function joinCluster(sql: Database, clock: Clock): Promise<Cluster> {
  const node = crypto.randomUUID()
  const pauses = await pausedCredentials({ sql, node, clock })
  const gateways = liveGateways(sql, node, clock)
  const charges = sharedCharges({ ...databaseAllowances({ sql, node }), gateways: gateways.count }, clock)
  const signInSessions = sharedSignInSessions(operatorSessions(sql), {
    clock,
    random: (bytes) => crypto.getRandomValues(bytes),
  })
  const stopSweep = sweepExpiredRows(sql.background, clock)
  return {
    capacityOf: (upstream: string): SharedCapacity => databaseCapacity({ sql, node, upstream }),
    pausesOf: pauses.of,
    ...{ charges, signInSessions, node, gateways },
    async close() {
      stopSweep()
      await Promise.all([signInSessions.end(), pauses.close()])
      await charges.close()
      await gateways.close()
    },
  }
}

import { type Database, skipLocked } from '../database/sql.ts'
import { mapDatabaseErrors } from './map-database-errors.ts'

/** The approvals of MCP calls that were used, so that none leads to a second call. */
export interface UsedApprovals {
  /**
   * Resolves with whether this is the first use of an approval by an owner, the `keyId` of a caller. If several uses
   * come at the same time, also in several gateways on one database, one of them is the first. Errors: `overloaded`
   * while the database is away.
   */
  use(owner: string, approval: string): Promise<boolean>
  close(): Promise<void>
}

export interface UsedApprovalsOptions {
  /** Opened at the first use. */
  open: () => Database
  /** Whether `close` also closes the database. */
  isOwn: boolean
  /** Epoch milliseconds. */
  now: () => number
}

/** Approvals are kept as long as stored replies, which contain the requests for approval. */
const keptMs = 30 * 24 * 60 * 60 * 1000
/** The number of old rows that each use deletes, which is more than it adds. */
const deletedAtOnce = 10

export function createUsedApprovals({ open, isOwn, now }: UsedApprovalsOptions): UsedApprovals {
  let opened: Database | undefined
  return {
    use: (owner, approval) => mapDatabaseErrors(use(owner, approval)),
    async close() {
      if (isOwn) await opened?.close()
    },
  }

  async function use(owner: string, approval: string): Promise<boolean> {
    opened ??= open()
    const at = now()
    await opened`DELETE FROM used_approvals WHERE (key, id) IN
      (SELECT key, id FROM used_approvals WHERE at < ${at - keptMs} ORDER BY at LIMIT ${deletedAtOnce} ${skipLocked})`
    const first = await opened`INSERT INTO used_approvals (key, id, at) VALUES (${owner}, ${digestOf(approval)}, ${at})
      ON CONFLICT (key, id) DO NOTHING RETURNING at`
    return first.length > 0
  }
}

/** The id comes from the client and may be of any length. */
function digestOf(approval: string): string {
  return new Bun.CryptoHasher('sha256').update(approval).digest('hex')
}

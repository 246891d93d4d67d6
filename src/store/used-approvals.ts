import { type Database, skipLocked } from '../database/sql.ts'
import { overloadedWhereAway } from './database-away.ts'

/** Which approvals of MCP calls have led to a call, so that none leads to a second one. */
export interface UsedApprovals {
  /**
   * Resolves with whether this is the first use of an approval by an owner, the `keyId` of a caller. Of uses at the same
   * time, also by several gateways on one database, one is the first. Errors: `overloaded` while the database is away.
   */
  use(owner: string, approval: string): Promise<boolean>
  close(): Promise<void>
}

export interface UsedApprovalsOptions {
  /** Opened at the first use. */
  open: () => Database
  /** Whether the database is closed with this. */
  isOwn: boolean
  /** Epoch milliseconds. */
  now: () => number
}

/** As long as replies are stored, which hold the requests for approval. */
const keptMs = 30 * 24 * 60 * 60 * 1000
/** Old rows that a use deletes: more than it adds. */
const deletedAtOnce = 10

export function createUsedApprovals({ open, isOwn, now }: UsedApprovalsOptions): UsedApprovals {
  let opened: Database | undefined
  return {
    use: (owner, approval) => overloadedWhereAway(use(owner, approval)),
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

import { type Database, forUpdate, part } from '../database/sql.ts'
import { cutOffMs } from './budget-statements.ts'
import { type ReservedAmount, settleReservation } from './locked-budgets.ts'

const sweepSize = 500

/** See `KeyStore.settleExpired`. */
export async function settleExpired(db: Database, now: number): Promise<number> {
  const expired = await db<{ id: string; budget: string }>`SELECT id, budget FROM reservations
    WHERE expires <= ${now} ORDER BY expires LIMIT ${sweepSize}`
  for (const reservation of expired) await settleOne(db, reservation, now)
  return expired.length
}

async function settleOne(db: Database, { id, budget }: { id: string; budget: string }, now: number): Promise<void> {
  await db.transaction(async (sql) => {
    const own = part`id = ${id} AND budget = ${budget}`
    const [row] = await sql<ReservedAmount>`SELECT budget, amount, estimate, counted, generation FROM reservations
      WHERE ${own} AND expires <= ${now} ${forUpdate}`
    if (row === undefined) return
    // On PostgreSQL the row stays for a while, because its gateway may only be cut off: it then settles the difference.
    // The row is deleted if it has stayed that long already.
    if (db.engine === 'postgres' && (row.amount > 0 || row.estimate !== row.counted))
      await sql`UPDATE reservations SET amount = 0, counted = estimate, expires = ${now + cutOffMs} WHERE ${own}`
    else await sql`DELETE FROM reservations WHERE ${own}`
    await settleReservation(sql, row, row.estimate)
  })
}

import { systemClock } from '../../src/async/system-clock.ts'
import { openSqlite } from '../../src/database/sqlite.ts'

// Adds to a budget until it is killed, and says so after each time.
const [path = '', id = ''] = process.argv.slice(2)
const sql = openSqlite({ path, clock: systemClock, warn: (message) => process.stderr.write(message) })
await sql`INSERT INTO budgets (id, key, unit, lim, window_start, window_ms) VALUES (${id}, ${id}, ${'tokens'}, 0, 0, 0)`
for (;;) {
  const [row] = await sql`UPDATE budgets SET settled = settled + 1 WHERE id = ${id} RETURNING settled`
  await Bun.write(Bun.stdout, `${row?.settled}\n`)
}

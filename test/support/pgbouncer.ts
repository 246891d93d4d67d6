import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { answers, freePort } from './ports.ts'

const program = Bun.which('pgbouncer', { PATH: `${process.env.PATH ?? ''}:/usr/sbin` })

/** Why PgBouncer cannot be tested; empty if it can. */
export const pgbouncerMissing = program === null ? 'PgBouncer is not installed (Debian: apt-get install pgbouncer)' : ''

/** It refuses to run as root. */
const isRoot = process.getuid?.() === 0
const nobody = 65_534
const asNobody = isRoot ? ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'] : []

/** Starts a PgBouncer in front of a server, with the settings that docs/scaling.md names. */
export async function startPgbouncer(serverPort: number) {
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-pgbouncer-'))
  const port = await freePort()
  writeFileSync(
    join(folder, 'pgbouncer.ini'),
    `[databases]
    * = host=127.0.0.1 port=${serverPort} user=zai2api
    [pgbouncer]
    listen_addr = 127.0.0.1
    listen_port = ${port}
    unix_socket_dir =
    auth_type = any
    pool_mode = session
    default_pool_size = 40
    ignore_startup_parameters = statement_timeout, idle_in_transaction_session_timeout, synchronous_commit
    `,
  )
  chmodSync(folder, 0o755)
  if (isRoot) chownSync(folder, nobody, nobody)
  const child = Bun.spawn([...asNobody, program ?? 'pgbouncer', join(folder, 'pgbouncer.ini')], {
    stdout: 'ignore',
    stderr: Bun.file(join(folder, 'log')),
  })
  while (!(await answers(port)))
    if (child.exitCode !== null) throw new Error(await Bun.file(join(folder, 'log')).text())
  return {
    port,
    async stop() {
      child.kill('SIGKILL')
      await child.exited
      rmSync(folder, { recursive: true })
    },
  }
}

import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Postgres {
  /** A new database on the server: `postgres://…` */
  newDatabase(): Promise<string>
  port: number
  /** Ends the server as a crash would, and starts it on the same data. */
  crash(): void
  start(): void
  stop(): void
}

/** The folder of PostgreSQL's programs: that of PATH, else the newest of Debian's. */
function programs(): string | undefined {
  const initdb = Bun.which('initdb')
  if (initdb) return join(initdb, '..')
  const debian = '/usr/lib/postgresql'
  if (!existsSync(debian)) return undefined
  const newest = readdirSync(debian).toSorted((one, other) => Number(other) - Number(one))
  return newest.map((version) => join(debian, version, 'bin')).find((folder) => existsSync(join(folder, 'initdb')))
}

/** PostgreSQL refuses to run as root. */
const isRoot = process.getuid?.() === 0
const nobody = 65_534
const asNobody = isRoot ? ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'] : []

/** Why no server can be started here; `undefined` if one can. */
export const noPostgres =
  programs() === undefined
    ? 'PostgreSQL is not installed (initdb)'
    : isRoot && Bun.which('setpriv') === null
      ? 'PostgreSQL does not run as root, and setpriv is not installed'
      : undefined

/** Starts a server with an empty data folder on a free port of loopback. */
export async function startPostgres(): Promise<Postgres> {
  const bin = programs()
  if (bin === undefined) throw new Error(noPostgres)
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-postgres-'))
  chmodSync(folder, 0o700)
  if (isRoot) chownSync(folder, nobody, nobody)
  const data = join(folder, 'data')
  const run = (program: string, ...args: string[]) => {
    const command = [...asNobody, join(bin, program), '-D', data, ...args]
    const { exitCode, stdout, stderr } = Bun.spawnSync(command, {
      cwd: folder,
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
    })
    if (exitCode !== 0) throw new Error(`${program}: ${stdout}${stderr}`)
  }
  run('initdb', '-U', 'zai2api', '--auth=trust', '--no-sync', '-E', 'UTF8', '--no-locale')
  const port = await freePort()
  const start = () =>
    run(
      'pg_ctl',
      ...['-w', '-l', join(folder, 'log'), '-o'],
      `-h 127.0.0.1 -p ${port} -c unix_socket_directories= -c fsync=off -c max_connections=60 -c shared_buffers=16MB`,
      'start',
    )
  start()
  let databases = 0
  return {
    port,
    async newDatabase() {
      const name = `test_${++databases}`
      await using admin = new Bun.SQL({ url: `postgres://zai2api@127.0.0.1:${port}/postgres`, max: 1 })
      await admin.unsafe(`CREATE DATABASE ${name}`)
      return `postgres://zai2api@127.0.0.1:${port}/${name}`
    },
    crash: () => run('pg_ctl', '-m', 'immediate', '-w', 'stop'),
    start,
    stop() {
      run('pg_ctl', '-m', 'immediate', '-w', 'stop')
      rmSync(folder, { recursive: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  const { port } = server
  server.stop(true)
  return port
}

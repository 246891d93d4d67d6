import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from './gateway.ts'
import { freePort } from './ports.ts'

export interface Postgres {
  /** A new database on the server, in this folder of another disk if one is given: `postgres://…` */
  newDatabase(folder?: string): Promise<string>
  port: number
  /** Its folder of data. */
  data: string
  /** Kills the server (SIGKILL), as a crash would. `start` starts it on the same data. */
  crash(): Promise<void>
  start(): void
  /** Ends it and all its connections at once. */
  halt(): void
  /**
   * Speaks TLS from now on, under a certificate for this address. Resolves with the file of the authority that signed it;
   * `another.crt` beside it is that of one that did not.
   */
  useTls(address: string): Promise<string>
  /** A standby that follows this server. */
  standby(): Promise<Standby>
  stop(): void
}

export interface Standby extends Postgres {
  /** It follows nobody any more and may be written. */
  promote(): void
}

/** The folder of PostgreSQL's programs: that of PATH, else the newest of Debian's. */
function programs(): string | undefined {
  const initdb = Bun.which('initdb')
  // It may be a link, beside which the others are not.
  if (initdb) return join(realpathSync(initdb), '..')
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

/** Starts a server with an empty data folder on a free port of loopback, and with these settings. */
export async function startPostgres(settings: readonly string[] = ['fsync=off']): Promise<Postgres> {
  const { postgres } = await serverOf(settings, ({ run }) =>
    run('initdb', '-U', 'zai2api', '--auth=trust', '--no-sync', '-E', 'UTF8', '--no-locale'),
  )
  return postgres
}

interface Running {
  data: string
  /** Runs one of PostgreSQL's programs on the folder of data. */
  run(program: string, ...args: string[]): void
}

/** Starts a server on the data that `prepare` has made. */
async function serverOf(
  settings: readonly string[],
  prepare: (running: Running) => void,
): Promise<Running & { postgres: Postgres }> {
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
  prepare({ data, run })
  const port = await freePort()
  const start = () =>
    run(
      'pg_ctl',
      ...['-w', '-l', join(folder, 'log'), '-o'],
      `-h 127.0.0.1 -p ${port} -c unix_socket_directories= -c max_connections=300 -c shared_buffers=16MB ${settings.map((setting) => `-c ${setting}`).join(' ')}`,
      'start',
    )
  start()
  let databases = 0
  const postgres: Postgres = {
    port,
    async newDatabase(at) {
      const name = `test_${++databases}`
      await using admin = new Bun.SQL({ url: `postgres://zai2api@127.0.0.1:${port}/postgres`, max: 1 })
      if (at !== undefined) {
        if (isRoot) chownSync(at, nobody, nobody)
        await admin.unsafe(`CREATE TABLESPACE of_${name} LOCATION '${at}'`)
      }
      await admin.unsafe(`CREATE DATABASE ${name} ${at === undefined ? '' : `TABLESPACE of_${name}`}`)
      return `postgres://zai2api@127.0.0.1:${port}/${name}`
    },
    data,
    async crash() {
      const [postmaster] = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')
      const children = childrenOf(Number(postmaster))
      process.kill(Number(postmaster), 'SIGKILL')
      // They notice that they are alone, and hold the server's memory until then.
      await until(() => !children.some(isAlive), 'the server to be gone')
      rmSync(join(data, 'postmaster.pid'))
    },
    start,
    halt: () => run('pg_ctl', '-m', 'immediate', '-w', 'stop'),
    async useTls(address) {
      const openssl = (...args: string[]) => {
        const { exitCode, stderr } = Bun.spawnSync(['openssl', ...args], { cwd: folder })
        if (exitCode !== 0) throw new Error(`openssl: ${stderr}`)
      }
      for (const name of ['authority', 'another'])
        openssl('req', '-x509', ...newKey, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.crt`)
      openssl('req', ...newKey, '-subj', '/CN=server', '-keyout', 'data/server.key', '-out', 'server.csr')
      writeFileSync(join(folder, 'server.ext'), `subjectAltName = IP:${address}`)
      openssl('x509', '-req', '-in', 'server.csr', '-out', 'data/server.crt', '-extfile', 'server.ext', ...signing)
      for (const name of ['server.key', 'server.crt']) {
        chmodSync(join(data, name), 0o600)
        if (isRoot) chownSync(join(data, name), nobody, nobody)
      }
      await using admin = new Bun.SQL({ url: `postgres://zai2api@127.0.0.1:${port}/postgres`, max: 1 })
      await admin.unsafe('ALTER SYSTEM SET ssl = on')
      await admin.unsafe('SELECT pg_reload_conf()')
      return join(folder, 'authority.crt')
    },
    async standby() {
      const of = ['-h', '127.0.0.1', '-p', String(port), '-U', 'zai2api']
      const made = await serverOf(settings, ({ run: runThere }) =>
        runThere('pg_basebackup', ...of, '-R', '-X', 'stream', '-c', 'fast', '--no-sync'),
      )
      return { ...made.postgres, promote: () => made.run('pg_ctl', '-w', 'promote') }
    },
    stop() {
      if (existsSync(join(data, 'postmaster.pid'))) run('pg_ctl', '-m', 'immediate', '-w', 'stop')
      rmSync(folder, { recursive: true })
    },
  }
  return { data, run, postgres }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
const signing = ['-CA', 'authority.crt', '-CAkey', 'authority.key', '-CAcreateserial']

function childrenOf(parent: number): number[] {
  const { stdout } = Bun.spawnSync(['ps', '-o', 'pid=', '--ppid', String(parent)])
  return stdout
    .toString()
    .split('\n')
    .flatMap((line) => (line.trim() === '' ? [] : [Number(line)]))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Load, Report, Told } from './client.ts'

export const scratch = resolve('.cache/bench')
mkdirSync(scratch, { recursive: true })

/** A server on a loopback port, in its own processes. */
export interface Running {
  port: number
  pid: number
  stop(): Promise<void>
}

/** Bun queues fetches beyond 256 at a time, unless this variable is set before it starts. */
const manyFetches = { BUN_CONFIG_MAX_HTTP_REQUESTS: '20000' }

/** A script of this folder that prints its port and ends with its standard input. */
export async function startScript(file: string, ...args: string[]): Promise<Running> {
  const child = Bun.spawn([process.execPath, `${import.meta.dir}/${file}`, ...args], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
    env: { ...process.env, ...manyFetches },
  })
  const port = Number(await firstLine(child.stdout))
  return {
    port,
    pid: child.pid,
    async stop() {
      child.kill()
      await child.exited
    },
  }
}

/**
 * The gateway as users run it, but with its database in memory unless `settings` say otherwise. `startMs` is the time
 * from the start of the process to its first 200.
 */
export async function startGateway(
  binary: string,
  upstreamPort: number,
  settings: Record<string, string> = {},
): Promise<Running & { startMs: number }> {
  const port = freePort()
  const startedAt = performance.now()
  const child = Bun.spawn([binary, 'serve', '--port', String(port)], {
    cwd: scratch,
    env: {
      NODE_ENV: 'production',
      AUTH_TOKEN: 'bench-key-00000000',
      DATABASE_URL: 'memory',
      UPSTREAMS: 'zai-api',
      ZAI_API_KEY: 'bench-upstream-key',
      ZAI_API_BASE: `http://127.0.0.1:${upstreamPort}/api/paas/v4`,
      ...settings,
    },
    stdout: 'ignore',
    stderr: Bun.file(`${scratch}/gateway.log`),
  })
  await answers(`http://127.0.0.1:${port}/healthz`)
  return { port, pid: child.pid, startMs: performance.now() - startedAt, stop: () => ended(child) }
}

/** nginx in front of the same upstream, unbuffered; `undefined` where it is not installed. */
export async function startNginx(upstreamPort: number): Promise<Running | undefined> {
  const nginx = Bun.which('nginx') ?? Bun.which('nginx', { PATH: '/usr/sbin:/usr/local/sbin' })
  if (nginx === null) return undefined
  const port = freePort()
  const config = `${scratch}/nginx.conf`
  writeFileSync(
    config,
    `daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid ${scratch}/nginx.pid; error_log ${scratch}/nginx.log;
    events { worker_connections 8192; }
    http {
      access_log off; client_max_body_size 64m; keepalive_requests 100000;
      client_body_temp_path ${scratch}/body; proxy_temp_path ${scratch}/proxy; fastcgi_temp_path ${scratch}/fastcgi;
      uwsgi_temp_path ${scratch}/uwsgi; scgi_temp_path ${scratch}/scgi;
      upstream api { server 127.0.0.1:${upstreamPort}; keepalive 256; }
      server {
        listen 127.0.0.1:${port} backlog=4096;
        location / { proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
      }
    }`,
  )
  const child = Bun.spawn([nginx, '-e', `${scratch}/nginx.log`, '-c', config], { stdout: 'ignore', stderr: 'ignore' })
  await answers(`http://127.0.0.1:${port}/models`)
  return { port, pid: child.pid, stop: () => ended(child) }
}

/** The process with all clients. */
export interface Clients {
  /** `watch` is told twice: when all clients have their first event, and when the window is over. */
  run(load: Load, watch?: (events: number) => void): Promise<Report>
  stop(): void
}

export async function startClients(): Promise<Clients> {
  let hear: (told: Told) => void = () => {}
  const ready = Promise.withResolvers<void>()
  const child = Bun.spawn([process.execPath, `${import.meta.dir}/client.ts`], {
    stdout: 'inherit',
    stderr: 'inherit',
    ipc: (told: Told) => (told.at === 'ready' ? ready.resolve() : hear(told)),
  })
  await ready.promise
  return {
    run(load, watch) {
      const { promise, resolve, reject } = Promise.withResolvers<Report>()
      hear = (told) => {
        if (told.at === 'end') resolve(told.report)
        else if (told.at !== 'ready') watch?.(told.events)
      }
      child.send(load)
      const late = setTimeout(() => reject(new Error('a load did not end within 60 s')), 60_000)
      return promise.finally(() => clearTimeout(late))
    },
    stop: () => child.kill(),
  }
}

/** User and system time of a process, its threads and its children, in microseconds. */
export function cpuMicros(pid: number): number {
  const threads = nanosOf.get(pid) ?? new Map<string, number>()
  nanosOf.set(pid, threads)
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      // In nanoseconds; /proc/PID/stat counts in hundredths of a second.
      const [nanos] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')
      threads.set(thread, Number(nanos))
    } catch {} // the thread has ended since
  }
  const own = threads.values().reduce((sum, nanos) => sum + nanos, 0) / 1000
  return own + childrenOf(pid).reduce((sum, child) => sum + cpuMicros(child), 0)
}

/** By process and thread; what a thread has used stays used when it ends. */
const nanosOf = new Map<number, Map<string, number>>()

/** Resident memory of a process and its children, in kilobytes. */
export function residentKb(pid: number): number {
  const own = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  return own + childrenOf(pid).reduce((sum, child) => sum + residentKb(child), 0)
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

function freePort(): number {
  const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  server.stop(true)
  return server.port
}

async function answers(url: string): Promise<void> {
  for (const deadline = performance.now() + 10_000; performance.now() < deadline; ) {
    try {
      if ((await fetch(url, { keepalive: false })).ok) return
    } catch {
      await Bun.sleep(1) // not listening yet
    }
  }
  throw new Error(`${url} does not answer`)
}

async function ended(child: Bun.Subprocess): Promise<void> {
  child.kill('SIGTERM')
  const killer = setTimeout(() => child.kill('SIGKILL'), 2_000)
  await child.exited
  clearTimeout(killer)
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  for await (const piece of stream) return new TextDecoder().decode(piece).trim() // a port comes in one piece
  return ''
}

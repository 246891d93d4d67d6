import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { answers, freePort } from './ports.ts'

const program = Bun.which('nginx', { PATH: `${process.env.PATH ?? ''}:/usr/sbin:/usr/local/sbin` })

/** Why nginx cannot be tested; empty if it can. */
export const nginxMissing = program === null ? 'nginx is not installed (Debian: apt-get install nginx-light)' : ''

/** What somebody writes as `Host` to be taken for a program of the machine on which the gateway runs. */
export const localHosts = ['localhost', 'localhost:8080', '127.0.0.1', '127.0.0.1:8080', '[::1]', 'x.localhost']

export interface Nginx {
  /** Passes requests on as HTTP/1.0 and HTTP/1.1. */
  ports: readonly number[]
  stop(): Promise<void>
}

/** Starts an nginx in front of a gateway. It passes the client's `Host` on unchanged. */
export async function startNginx(gatewayPort: number): Promise<Nginx> {
  const ports = [await freePort(), await freePort()]
  const servers = ports.map(
    (port, at) => `server {
      listen 127.0.0.1:${port};
      location / {
        proxy_pass http://127.0.0.1:${gatewayPort};
        proxy_http_version 1.${at};
        proxy_set_header Host $http_host;
      }
    }`,
  )
  return await startNginxWith(servers.join('\n'), ports)
}

/** Starts an nginx with this configuration inside `http { }`, which listens on these ports. */
export async function startNginxWith(configuration: string, ports: readonly number[]): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-nginx-'))
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder};`)
  await Bun.write(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
    events { worker_connections 512; }
    http { access_log off; keepalive_timeout 0; ${temporary.join(' ')} ${configuration} }`,
  )
  const child = Bun.spawn([program ?? 'nginx', '-p', folder, '-c', 'nginx.conf'], {
    stdout: 'ignore',
    stderr: 'ignore',
  })
  for (const port of ports) while (!(await answers(port))) if (child.exitCode !== null) throw new Error('nginx ended')
  return {
    ports,
    async stop() {
      child.kill()
      await child.exited
      rmSync(folder, { recursive: true })
    },
  }
}

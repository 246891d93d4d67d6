import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from './eventually.ts'
import { type Nginx, startNginxWith } from './nginx.ts'
import { freePort } from './ports.ts'
import { answer, chatRoute, refusal, scriptedApi } from './zai-api.ts'

export const operatorKey = 'sk-operator-of-the-cluster'

export interface ClusterNode {
  port: number
  url: string
  /** The home folder of its user. */
  home: string
  log(): string
  child: Bun.Subprocess
}

/** Several gateways, with the scripted model unless told otherwise, on one PostgreSQL, behind nginx with the configuration of deploy/. */
export interface Cluster {
  nodes: ClusterNode[]
  nginx: Nginx
  /** The address of nginx. */
  url: string
  /** Starts a gateway on the port of this one, once that has ended; `main` is that of another version. */
  restart(index: number, main?: string): Promise<void>
  stop(): Promise<void>
}

export async function startCluster(
  database: string,
  count: number,
  settings: Record<string, string> = {},
): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-cluster-'))
  const start = async (index: number, port: number, main = 'src/main.ts'): Promise<ClusterNode> => {
    const log = join(folder, `log-${index}`)
    const home = join(folder, `home-${index}`)
    const child = Bun.spawn([process.execPath, main, '--port', String(port)], {
      env: {
        ...{ PATH: process.env.PATH, HOME: home, AUTH_TOKEN: operatorKey },
        ...{ DATABASE_URL: database, STORE: 'database', UPSTREAMS: 'demo', ...settings },
      },
      stdout: 'ignore',
      stderr: Bun.file(log),
    })
    const url = `http://127.0.0.1:${port}`
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(readFileSync(log, 'utf8'))
      await fetch(`${url}/healthz`)
    })
    return { port, url, home, child, log: () => readFileSync(log, 'utf8') }
  }
  const ports = await Promise.all(Array.from({ length: count }, freePort))
  const nodes = await Promise.all(ports.map((port, index) => start(index, port)))
  const listen = await freePort()
  const configuration = readFileSync('deploy/nginx.cluster.conf', 'utf8')
    .replace('listen 8080;', `listen 127.0.0.1:${listen};`)
    .replaceAll(/zai2api-(\d):8080/g, (_, number) => `127.0.0.1:${ports[(Number(number) - 1) % count]}`)
  const nginx = await startNginxWith(configuration, [listen])
  return {
    nodes,
    nginx,
    url: `http://127.0.0.1:${listen}`,
    async restart(index, main) {
      const { child, port } = nodes[index] as ClusterNode
      await child.exited
      nodes[index] = await start(index, port, main)
    },
    async stop() {
      await nginx.stop()
      for (const { child } of nodes) child.kill('SIGKILL')
      await Promise.all(nodes.map(({ child }) => child.exited))
      rmSync(folder, { recursive: true })
    },
  }
}

/** What a test sees of the upstream, and sets. */
interface Busy {
  running: number
  /** The most at a time. */
  most: number
  refused: number
  isKeyRefused: boolean
  refusedKeys: number
  /** Calls that come wait for it. */
  isHeldBack: Promise<void> | undefined
}

/** An upstream whose key allows so many calls at a time, each of which takes a tenth of a second. */
export function busyUpstream(most: number) {
  const seen: Busy = { running: 0, most: 0, refused: 0, isKeyRefused: false, refusedKeys: 0, isHeldBack: undefined }
  const serve = async () => {
    await seen.isHeldBack
    if (seen.isKeyRefused) {
      seen.refusedKeys++
      return refusal(401, '1001', 'Authentication failed')
    }
    seen.running++
    seen.most = Math.max(seen.most, seen.running)
    try {
      if (seen.running > most) {
        seen.refused++
        return refusal(429, '1302', 'Rate limit reached for requests')
      }
      await Bun.sleep(100)
      return answer('Hello')
    } finally {
      seen.running--
    }
  }
  const api = scriptedApi()
  api.script(chatRoute, ...Array.from({ length: 3_000 }, () => serve))
  const { baseUrl, stop } = api.listen()
  return { seen, api, stop, settings: { UPSTREAMS: 'zai-api', ZAI_API_KEY: 'key-1', ZAI_API_BASE: baseUrl } }
}

/** One request with a JSON body, or without one. */
export async function send(url: string, path: string, key: string, body?: object) {
  const headers = { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) }
  const response = await fetch(url + path, {
    headers,
    ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
  })
  const text = await response.text()
  return { status: response.status, text, json: () => JSON.parse(text) }
}

/** Makes a key on the cluster, which every gateway knows when it resolves, and returns its secret. */
export async function newKey({ url, nodes }: Cluster, name: string, more: object = {}): Promise<string> {
  const made = await send(url, '/admin/api/keys', operatorKey, { name, ...more })
  if (made.status >= 300) throw new Error(made.text)
  const { secret } = made.json()
  for (const node of nodes)
    await eventually(async () => {
      if ((await send(node.url, '/v1/key', secret)).status !== 200) throw new Error('the key is not known yet')
    })
  return secret
}

/** A short answer of the scripted model. */
export function chat(url: string, key: string, content = '[fast] Hello', more: object = {}) {
  return send(url, '/v1/chat/completions', key, {
    ...{ model: 'GLM-4.6', messages: [{ role: 'user', content }], max_tokens: 50, ...more },
  })
}

/** The first budget of a key. */
export async function budgetOf(url: string, key: string) {
  return (await send(url, '/v1/key', key)).json().budgets[0]
}

/** How many calls had each status. */
export async function statusesOf(calls: Promise<{ status: number }>[]): Promise<Record<number, number>> {
  const counts: Record<number, number> = {}
  for (const { status } of await Promise.all(calls)) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

// What PostgreSQL adds to a request, and how many requests one and two gateways take: `make bench-cluster`.

import { type Cluster, operatorKey, send, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { nginxMissing } from '../support/nginx.ts'
import { noPostgres, startPostgres } from '../support/postgres.ts'

const seconds = Number(process.env.BENCH_SECONDS ?? 5)
const paced = 200
const clients = 32

const missing = noPostgres ?? nginxMissing
if (missing) throw new Error(missing)
const server = await startPostgres(['fsync=on'])
const url = await server.newDatabase()

interface Times {
  p50: number
  p99: number
  refused: number
}

/** Requests with a key that has a budget, so that each reserves and settles; and other limits. */
async function keyOf({ nodes }: Cluster, limits: object): Promise<string> {
  const [first] = nodes
  const made = await send(first?.url ?? '', '/admin/api/keys', operatorKey, {
    ...{ name: `bench-${Bun.randomUUIDv7()}`, budget: 'tokens:1b/day', ...limits },
  })
  const { secret } = made.json()
  await eventually(async () => {
    for (const node of nodes) if (!(await chat(node.url, secret))) throw new Error('the key is not known yet')
  })
  return secret
}

/** Whether it was answered: on a busy machine the database may be too slow for a request. */
async function chat(base: string, key: string): Promise<boolean> {
  const { status } = await send(base, '/v1/chat/completions', key, {
    ...{ model: 'GLM-4.6', messages: [{ role: 'user', content: '[fast] Hello' }], max_tokens: 50 },
  })
  return status === 200
}

/** At a steady rate, whether or not answers come. */
async function pacedTimes({ nodes }: Cluster, key: string): Promise<Times> {
  const times: number[] = []
  const calls: Promise<void>[] = []
  let refused = 0
  const startedAt = performance.now()
  for (let count = 0; count < paced * seconds; count++) {
    const due = startedAt + (count * 1_000) / paced
    if (due > performance.now()) await Bun.sleep(due - performance.now())
    const sentAt = performance.now()
    const base = nodes[count % nodes.length]?.url ?? ''
    calls.push(
      chat(base, key).then((isAnswered) => {
        if (isAnswered) times.push(performance.now() - sentAt)
        else refused++
      }),
    )
  }
  await Promise.all(calls)
  times.sort((one, other) => one - other)
  const at = (part: number) => times[Math.floor(times.length * part)] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99), refused }
}

/** As many as they take, from a fixed number of clients. */
async function mostPerSecond({ nodes }: Cluster, key: string): Promise<number> {
  let count = 0
  const until = performance.now() + seconds * 1_000
  await Promise.all(
    Array.from({ length: clients }, async (_, index) => {
      while (performance.now() < until) if (await chat(nodes[index % nodes.length]?.url ?? '', key)) count++
    }),
  )
  return count / seconds
}

async function measured(database: string, count: number, limits = {}) {
  const cluster = await startCluster(database, count, { LOG_LEVEL: 'error' })
  try {
    const key = await keyOf(cluster, limits)
    // The first ones compile.
    await mostPerSecond(cluster, key)
    return { ...(await pacedTimes(cluster, key)), perSecond: await mostPerSecond(cluster, key) }
  } finally {
    await cluster.stop()
  }
}

try {
  const memory = await measured('memory', 1)
  const one = await measured(url, 1)
  const two = await measured(url, 2)
  const limited = await measured(url, 1, { rpm: 1_000_000, parallel: 1_000 })
  const row = (name: string, { p50, p99, refused, perSecond }: typeof memory) =>
    `| ${name} | ${p50.toFixed(2)} | ${p99.toFixed(2)} | ${refused} | ${Math.round(perSecond)} |`
  process.stdout.write(
    [
      `${paced} requests a second with a budget for ${seconds} s, then as many as ${clients} clients get.`,
      '| | p50 ms | p99 ms | refused | requests a second |',
      '|---|--:|--:|--:|--:|',
      ...[
        row('SQLite in memory', memory),
        row('PostgreSQL, one gateway', one),
        row('PostgreSQL, two gateways', two),
        row('PostgreSQL, one gateway, with rpm and parallel', limited),
      ],
      `PostgreSQL adds ${(one.p50 - memory.p50).toFixed(2)} ms at p50 (must be 2) and ${(one.p99 - memory.p99).toFixed(2)} ms at p99 (must be 8 on a quiet machine).`,
      '',
    ].join('\n'),
  )
} finally {
  server.stop()
}
process.exit(0)

import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import {
  budgetOf,
  busyUpstream,
  type Cluster,
  type ClusterNode,
  chat,
  newKey,
  operatorKey,
  send,
  startCluster,
  statusesOf,
} from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { nginxMissing } from '../support/nginx.ts'
import { pgbouncerMissing, startPgbouncer } from '../support/pgbouncer.ts'
import { noPostgres, type Postgres, startPostgres } from '../support/postgres.ts'
import { silentWire } from '../support/silent-wire.ts'
import { chatRoute } from '../support/zai-api.ts'

// What machines, networks and operators do to a cluster.

const missing = noPostgres ?? nginxMissing

/** A small disk of its own: only root may mount one, and not everywhere. */
function smallDisk(): { folder: string; unmount(): void } | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-small-'))
  const { exitCode } = Bun.spawnSync(['mount', '-t', 'tmpfs', '-o', 'size=24m,mode=0777', 'none', folder])
  const unmount = () => {
    if (exitCode === 0) Bun.spawnSync(['umount', '-l', folder])
    rmSync(folder, { recursive: true })
  }
  if (exitCode === 0) return { folder, unmount }
  unmount()
  return undefined
}

const noDisk = (() => {
  if (process.getuid?.() !== 0) return 'only root may mount a small disk'
  const disk = smallDisk()
  disk?.unmount()
  return disk ? '' : 'no small disk can be mounted here'
})()

describe.skipIf(missing !== '')(`a cluster${missing === '' ? '' : `: ${missing}`}`, () => {
  let server: Postgres
  beforeAll(async () => {
    server = await startPostgres()
  }, 60_000)
  afterAll(() => server?.stop())

  const at = ({ nodes }: Cluster, index: number) => nodes[index] as ClusterNode

  async function withCluster(
    count: number,
    work: (cluster: Cluster, database: string) => Promise<void>,
    { database, ...settings }: Record<string, string> & { database?: string } = {},
  ): Promise<void> {
    const url = database ?? (await server.newDatabase())
    const cluster = await startCluster(url, count, settings)
    try {
      await work(cluster, url)
    } finally {
      await cluster.stop()
    }
  }

  test('a gateway that is stopped until its lease is over, and goes on, asks no more of a key and counts what it costs', async () => {
    const most = 6
    const { seen, settings, stop } = busyUpstream(most)
    try {
      await withCluster(
        2,
        async (cluster, database) => {
          const key = await newKey(cluster, 'paused', { budget: 'tokens:10m/day' })
          const many = (count: number) =>
            statusesOf(Array.from({ length: count }, (_, index) => chat(at(cluster, index % 2).url, key)))
          await using sql = new Bun.SQL(database)
          await eventually(async () => {
            expect(await many(18)).toEqual({ 200: 18 })
            // What refusals teach depends on how close together they come, and later one more is tried now and then.
            const learned = await sql`UPDATE capacities SET lim = ${most}, limited_at = ${Date.now() + 3_600_000}
              WHERE lim IS NOT NULL RETURNING lim`
            expect(learned.length).toBeGreaterThan(0)
          })
          await eventually(async () => {
            const { refused } = seen
            expect(await many(18)).toEqual({ 200: 18 })
            expect({ refused: seen.refused }).toEqual({ refused })
          })
          const nodes = async () => (await sql`SELECT DISTINCT node FROM leases WHERE model = ''`).length
          let isOver = false
          const statuses: number[] = []
          const clients = Promise.all(
            cluster.nodes.flatMap(({ url }) =>
              Array.from({ length: 8 }, async () => {
                while (!isOver) statuses.push((await chat(url, key)).status)
              }),
            ),
          )
          try {
            await eventually(async () => expect(await nodes()).toBe(2))
            Object.assign(seen, { most: 0, refused: 0 })
            at(cluster, 0).child.kill('SIGSTOP')
            try {
              // Its lease has 15 s, and the other has all then.
              await eventually(
                async () =>
                  expect(await sql`SELECT share FROM leases WHERE model <> ''`).toEqual([{ share: `${most}` }]),
                60_000,
              )
            } finally {
              at(cluster, 0).child.kill('SIGCONT')
            }
            const before = statuses.length
            await eventually(async () => expect(await nodes()).toBe(2))
            await eventually(() => expect(statuses.length).toBeGreaterThan(before + 20), 40_000)
          } finally {
            isOver = true
            await clients
          }
          // A call between its check and its request when the process stops goes out by itself, so there may be such a one;
          // all of the share used again would be three.
          expect(seen.most).toBeWithin(1, most + 3)
          expect(seen.refused).toBeLessThan(3)
          expect(new Set(statuses)).toEqual(new Set([200]))
          await eventually(async () => expect(await budgetOf(cluster.url, key)).toMatchObject({ reserved: 0 }))
          const { spent } = await budgetOf(cluster.url, key)
          await eventually(async () => {
            const [row] = await sql`SELECT sum(tokens_in + tokens_out) AS used FROM usage`
            expect(Number(row.used)).toBe(spent)
          })
        },
        settings,
      )
    } finally {
      stop()
    }
  }, 120_000)

  test('a gateway that is stopped until its lease is over teaches the others nothing of the time before', async () => {
    const { seen, api, settings, stop } = busyUpstream(6)
    try {
      await withCluster(
        2,
        async (cluster, database) => {
          await using sql = new Bun.SQL(database)
          const [paused, other] = [at(cluster, 0), at(cluster, 1)]
          expect((await chat(other.url, operatorKey)).status).toBe(200)
          await eventually(
            async () => expect(await sql`SELECT node FROM leases WHERE model = ''`).toHaveLength(0),
            30_000,
          )
          const held = Promise.withResolvers<void>()
          const asked = api.to(chatRoute).length
          seen.isHeldBack = held.promise
          const late = chat(paused.url, operatorKey)
          await eventually(() => expect(api.to(chatRoute).length).toBe(asked + 1))
          seen.isHeldBack = undefined
          const fenceOf = async (node: string) =>
            Number((await sql`SELECT max(fence) AS fence FROM leases WHERE node = ${node}`)[0].fence)
          let node = ''
          await eventually(async () => {
            const rows = await sql`SELECT node FROM leases WHERE model = '' AND in_flight = 1`
            expect(rows).toHaveLength(1)
            node = rows[0].node
          })
          paused.child.kill('SIGSTOP')
          try {
            await eventually(async () => {
              expect((await chat(other.url, operatorKey)).status).toBe(200)
              expect(await fenceOf(node)).toBe(0)
            }, 30_000)
            // The upstream refused the key for a moment, and its answer waits for the process to go on.
            seen.isKeyRefused = true
            held.resolve()
            await eventually(() => expect(seen.refusedKeys).toBe(1))
            seen.isKeyRefused = false
          } finally {
            paused.child.kill('SIGCONT')
          }
          expect((await late).status).toBe(403)
          await eventually(async () => expect(paused.log()).toContain('a share of upstream keys has ended'))
          await eventually(async () => expect((await send(paused.url, '/readyz', operatorKey)).status).toBe(503))
          expect(await sql`SELECT credential FROM cooldowns`).toEqual([])
          expect((await chat(other.url, operatorKey)).status).toBe(200)
        },
        settings,
      )
    } finally {
      stop()
    }
  }, 90_000)

  test('a key that an upstream refuses on one gateway rests on all within 2 s', async () => {
    const { seen, api, settings, stop } = busyUpstream(9)
    try {
      await withCluster(
        3,
        async (cluster) => {
          for (const { url } of cluster.nodes) expect((await chat(url, operatorKey)).status).toBe(200)
          const before = api.to(chatRoute).length
          seen.isKeyRefused = true
          expect((await chat(at(cluster, 0).url, operatorKey)).status).toBe(403)
          const since = performance.now()
          for (const { url } of cluster.nodes)
            await eventually(async () => expect((await send(url, '/readyz', operatorKey)).status).toBe(503), 2_000)
          expect(performance.now() - since).toBeLessThan(2_000)
          for (const { url } of cluster.nodes) expect((await chat(url, operatorKey)).status).toBe(403)
          expect(api.to(chatRoute).length - before).toBe(1)
        },
        settings,
      )
    } finally {
      stop()
    }
  }, 60_000)

  test('is brought to a newer version gateway by gateway, whose first one changes the tables under load', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'zai2api-newer-'))
    cpSync('src', join(folder, 'src'), { recursive: true })
    for (const name of ['package.json', 'package-lock.json', 'tsconfig.json', 'node_modules'])
      symlinkSync(resolve(name), join(folder, name))
    const migrations = join(folder, 'src/database/migrations.ts')
    const text = readFileSync(migrations, 'utf8')
    // The list of migrations is the only one that ends at the margin.
    const end = '\n]\n'
    expect(text.split(end)).toHaveLength(2)
    writeFileSync(
      migrations,
      text.replace(
        end,
        `
  ({ text, int }) => [
    \`ALTER TABLE budgets ADD COLUMN newer \${int} NOT NULL DEFAULT 0\`,
    \`ALTER TABLE reservations ADD COLUMN newer \${int}\`,
    \`ALTER TABLE requests ADD COLUMN newer \${text}\`,
    \`ALTER TABLE leases ADD COLUMN newer \${text}\`,
    'CREATE INDEX requests_of_newer ON requests (newer)',
  ],${end}`,
      ),
    )
    const newer = join(folder, 'src/main.ts')
    try {
      await withCluster(3, async (cluster, database) => {
        const key = await newKey(cluster, 'rolling', { budget: 'tokens:10m/day', parallel: 100 })
        await using sql = new Bun.SQL(database)
        const schema = async () => Number((await sql`SELECT max(version) AS version FROM schema_version`)[0].version)
        const old = await schema()
        const statuses: number[] = []
        let isOver = false
        const client = async () => {
          while (!isOver) {
            let status = 0
            // As the SDKs do.
            for (let attempt = 0; attempt < 4 && !isOver && (status === 0 || status >= 500); attempt++) {
              if (attempt > 0) await Bun.sleep(500)
              ;({ status } = await chat(cluster.url, key).catch(() => ({ status: 0 })))
            }
            if (!isOver) statuses.push(status)
          }
        }
        const clients = Array.from({ length: 4 }, client)
        try {
          for (const index of cluster.nodes.keys()) {
            at(cluster, index).child.kill('SIGTERM')
            await cluster.restart(index, newer)
            expect(await schema()).toBe(old + 1)
            // Also those that are still of the old version.
            for (const { url } of cluster.nodes)
              await eventually(async () => expect((await chat(url, key)).status).toBe(200))
          }
        } finally {
          isOver = true
        }
        await Promise.all(clients)
        expect(new Set(statuses)).toEqual(new Set([200]))
        await eventually(async () => expect(await budgetOf(cluster.url, key)).toMatchObject({ reserved: 0 }))
        const { spent } = await budgetOf(cluster.url, key)
        await eventually(async () => {
          const [row] = await sql`SELECT sum(tokens_in + tokens_out) AS used FROM usage`
          expect(Number(row.used)).toBe(spent)
        })
        // The old one does not start again on the new tables.
        at(cluster, 0).child.kill('SIGKILL')
        expect(await cluster.restart(0).catch(({ message }) => message)).toContain('use the newer version')
      })
    } finally {
      rmSync(folder, { recursive: true })
    }
  }, 120_000)

  test('goes on with the standby that takes the place of its server, and never writes to one that does not yet', async () => {
    const primary = await startPostgres()
    const standby = await primary.standby()
    const wire = silentWire(primary.port)
    const database = (await primary.newDatabase()).replace(String(primary.port), String(wire.port))
    try {
      await withCluster(
        2,
        async (cluster) => {
          const key = await newKey(cluster, 'failover', { budget: 'tokens:1m/day' })
          for (const { url } of cluster.nodes) expect((await chat(url, key)).status).toBe(200)
          await eventually(async () => expect(await budgetOf(cluster.url, key)).toMatchObject({ reserved: 0 }))
          const { spent } = await budgetOf(cluster.url, key)
          const states = async () => {
            const all = await Promise.all(cluster.nodes.map(({ url }) => send(url, '/readyz', operatorKey)))
            return all.map((each) => each.json().database ?? each.json().status)
          }
          await using admin = new Bun.SQL({ url: `postgres://zai2api@127.0.0.1:${primary.port}/postgres`, max: 1 })
          await eventually(async () => {
            const [row] = await admin`SELECT pg_current_wal_flush_lsn() = pg_current_wal_insert_lsn() AS written,
              replay_lsn = pg_current_wal_lsn() AS replayed FROM pg_stat_replication`
            expect(row).toEqual({ written: true, replayed: true })
          })
          primary.halt()
          wire.redirect(standby.port)
          wire.cut()
          await eventually(async () => expect(await states()).toEqual(['away', 'away']))
          // It answers, and cannot be written.
          expect(await statusesOf(cluster.nodes.map(({ url }) => chat(url, key)))).toEqual({ 200: 2 })
          expect(await states()).toEqual(['away', 'away'])
          standby.promote()
          await eventually(async () => expect(await states()).toEqual(['ready', 'ready']))
          expect(await statusesOf(cluster.nodes.map(({ url }) => chat(url, key)))).toEqual({ 200: 2 })
          await eventually(async () =>
            expect(await budgetOf(cluster.url, key)).toMatchObject({ spent: 3 * spent, reserved: 0 }),
          )
          await newKey(cluster, 'afterwards')
        },
        { database },
      )
    } finally {
      wire.stop()
      standby.stop()
      primary.stop()
    }
  }, 120_000)

  test.skipIf(pgbouncerMissing !== '')(
    `works behind PgBouncer with sessions ${pgbouncerMissing}`,
    async () => {
      const bouncer = await startPgbouncer(server.port)
      const database = (await server.newDatabase()).replace(String(server.port), String(bouncer.port))
      try {
        await withCluster(
          2,
          async (cluster) => {
            const key = await newKey(cluster, 'bounced', { budget: 'tokens:1m/day', rpm: 1_000 })
            expect(
              await statusesOf(Array.from({ length: 40 }, (_, index) => chat(at(cluster, index % 2).url, key))),
            ).toEqual({ 200: 40 })
            await eventually(async () => expect(await budgetOf(cluster.url, key)).toMatchObject({ reserved: 0 }))
            const patch = await fetch(`${at(cluster, 0).url}/admin/api/keys/bounced`, {
              ...{ method: 'PATCH', body: JSON.stringify({ disabled: true }) },
              headers: { authorization: `Bearer ${operatorKey}`, 'content-type': 'application/json' },
            })
            expect(patch.status).toBe(200)
            await eventually(
              async () => expect((await send(at(cluster, 1).url, '/v1/models', key)).status).toBe(401),
              2_000,
            )
          },
          { database },
        )
      } finally {
        await bouncer.stop()
      }
    },
    60_000,
  )

  test.skipIf(noDisk !== '')(
    `goes on while the disk of the server is full ${noDisk}`,
    async () => {
      const disk = smallDisk()
      if (disk === undefined) throw new Error('no disk')
      const small = await startPostgres()
      try {
        const database = await small.newDatabase(disk.folder)
        await withCluster(
          2,
          async (cluster) => {
            const [key, free] = [
              await newKey(cluster, 'paid', { budget: 'tokens:10m/day' }),
              await newKey(cluster, 'free'),
            ]
            expect((await chat(cluster.url, key)).status).toBe(200)
            await using sql = new Bun.SQL(database)
            await sql`CREATE TABLE filler (line text)`
            await sql`CREATE TABLE last (line text)`
            const isFull = async (table: string, lines: number) => {
              const fill = sql.unsafe(`INSERT INTO ${table} SELECT repeat('x', 2000) FROM generate_series(1, ${lines})`)
              return (await fill.then(() => '').catch(({ message }) => message)).includes('No space left')
            }
            await eventually(async () => expect(await isFull('filler', 500)).toBe(true))
            await eventually(async () => expect(await isFull('last', 4)).toBe(true))
            // Pages that the tables have already may still take some rows.
            const paid = new Set<number>()
            await eventually(async () => {
              for (const status of Object.keys(
                await statusesOf(Array.from({ length: 50 }, () => chat(cluster.url, key))),
              ))
                paid.add(Number(status))
              for (const { log } of cluster.nodes) expect(log()).toContain('does not take the list of requests')
            })
            expect([...paid].filter((status) => status !== 200 && status !== 503)).toEqual([])
            expect(await statusesOf(Array.from({ length: 10 }, () => chat(cluster.url, free)))).toEqual({ 200: 10 })
            await sql`DROP TABLE filler`
            await sql`DROP TABLE last`
            await eventually(async () => expect((await chat(cluster.url, key)).status).toBe(200))
            await eventually(
              async () => expect(await budgetOf(cluster.url, key)).toMatchObject({ reserved: 0 }),
              30_000,
            )
            const { spent } = await budgetOf(cluster.url, key)
            await eventually(async () => {
              const [row] = await sql`SELECT sum(tokens_in + tokens_out) AS used FROM usage
              WHERE key = (SELECT id FROM keys WHERE name = 'paid')`
              expect(Number(row.used)).toBe(spent)
            }, 30_000)
          },
          { database },
        )
      } finally {
        small.stop()
        disk.unmount()
      }
    },
    120_000,
  )
})

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { costlyCases, costlyDialects, costlyReplies, costlyRequests } from '../support/costly.ts'
import { continueLongConversation, costlyBodies, runLargeBatch, sendCostly } from '../support/costly-bodies.ts'
import type { Load, Outcome } from './client.ts'
import type { Longest } from './prober.ts'

// make soak: the gateway, an upstream and the clients in processes of their own, on loopback, for SOAK_SECONDS. With
// SOAK_ROWS, a regular expression, only the costly requests whose names match it are sent.

const seconds = Number(process.env.SOAK_SECONDS || 120)
const { SOAK_ROWS } = process.env
const rowNames = new RegExp(SOAK_ROWS ?? '', 'i')
const deadline = Date.now() + seconds * 1000
const root = join(import.meta.dir, '../..')
const binary = join(root, 'dist/zai2api')
const command = existsSync(binary) ? [binary] : [process.execPath, join(root, 'src/main.ts')]
const folder = mkdtempSync(join(tmpdir(), 'zai2api-soak-'))
const children = new Set<ReturnType<typeof spawn>>()
const rows: { what: string; seen: string; fine: boolean }[] = []

// The time limit of every step.
setTimeout(() => leave('the soak did not end in time'), (seconds * 1.5 + 180) * 1000)

function spawn(argv: string[], env: Record<string, string> = {}, ipc?: (message: unknown) => void) {
  const child = Bun.spawn(argv, {
    ...(ipc && { ipc }),
    cwd: folder,
    env: { ...process.env, BUN_CONFIG_MAX_HTTP_REQUESTS: '20000', ...env },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: Bun.file(join(folder, 'stderr.log')),
  })
  children.add(child)
  void child.exited.then(() => children.delete(child))
  return child
}

function leave(problem?: string): never {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
  print()
  if (problem) console.error(problem)
  process.exit(problem || rows.some(({ fine }) => !fine) ? 1 : 0)
}

function print(): void {
  console.log(`\n${command[0] === binary ? 'dist/zai2api' : 'bun src/main.ts'}, ${seconds} s\n`)
  for (const { what, seen, fine } of rows) console.log(`${fine ? 'ok  ' : 'HARM'}  ${what.padEnd(66)}${seen}`)
}

const row = (what: string, seen: string | number, fine = true) => rows.push({ what, seen: String(seen), fine })

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const piece of stream) {
    text += decoder.decode(piece, { stream: true })
    if (text.includes('\n')) break
  }
  return text.split('\n', 1)[0] ?? ''
}

async function startUpstream(port: number) {
  const child = spawn([process.execPath, join(import.meta.dir, 'upstream.ts'), String(port)])
  return { child, port: Number(await firstLine(child.stdout)) }
}

/** A model of Z.AI's that the second upstream has, too. */
const embeddingModel = 'embedding-3'

/** A second upstream, which has no limits of its own: Z.AI's API takes at most 128 tools. */
const unlimited = 'unlimited/glm-4.7'

/** With a small memory the collector leaves no garbage, which would look like a leak, but works far more often. */
const smallMemory = { BUN_JSC_forceRAMSize: String(256 * 1024 * 1024) }

async function startGateway(upstreamPort: number, env: Record<string, string> = {}) {
  const base = `http://127.0.0.1:${upstreamPort}/api/paas/v4`
  const row = { id: 'unlimited', kind: 'openai-compatible', base, models: ['glm-4.7', embeddingModel] }
  const child = spawn([...command, 'serve', '--port', '0', '--log-level', 'off'], {
    // Nothing of the user's own: no configuration, no database.
    ...{ HOME: folder, XDG_CONFIG_HOME: folder, XDG_STATE_HOME: folder },
    UPSTREAMS: JSON.stringify(['zai-api', row]),
    ZAI_API_BASE: base,
    // Several keys, because one key starts with a few calls at a time, and this is no test of the credential pool.
    ZAI_API_KEY: Array.from({ length: 400 }, (_, index) => `soak-${index}`).join(','),
    QUEUE_LIMIT: '20000',
    MAX_CONCURRENT: '20000',
    SHUTDOWN_MS: '30000',
    ...env,
  })
  const [url = ''] = /http:\S+\d/.exec(await firstLine(child.stdout)) ?? []
  if (url === '') leave(`the gateway did not start: ${await Bun.file(join(folder, 'stderr.log')).text()}`)
  return { child, url }
}

/** Bun has an idle process collect every 30 s. */
const collectedWithinS = 35

type Asked = Omit<Load, 'url' | 'untilMs'> & { untilMs?: number }

async function load(url: string, asked: Asked): Promise<Outcome> {
  const told: Load = { url, untilMs: Math.max(1_000, deadline - Date.now()), ...asked }
  const child = spawn([process.execPath, join(import.meta.dir, 'client.ts'), JSON.stringify(told)])
  return JSON.parse(await new Response(child.stdout).text())
}

interface Prober {
  /** The longest answers to `/healthz` while `work` is under way, and what `work` resolves with. */
  during(work: () => Promise<number>): Promise<{ status: number; longest: Longest }>
  stop(): void
}

async function startProber(): Promise<Prober> {
  let told = Promise.withResolvers<unknown>()
  const child = spawn(
    [process.execPath, join(import.meta.dir, 'prober.ts'), gateway.url, String(gateway.child.pid)],
    {},
    (message) => told.resolve(message),
  )
  await told.promise
  return {
    async during(work) {
      told = Promise.withResolvers()
      child.send('begin')
      const status = await work()
      child.send('end')
      return { status, longest: (await told.promise) as Longest }
    },
    stop: () => child.kill(),
  }
}

function rssMb(pid: number): number {
  const ps = Bun.spawnSync(['ps', '-o', 'rss=', '-p', String(pid)])
  return Number(ps.stdout.toString()) / 1024
}

/** All open descriptors of the process: sockets, and those it always has. */
const descriptors = (pid: number) => readdirSync(`/proc/${pid}/fd`).length

async function underWay(port: number): Promise<number> {
  return Number(await (await fetch(`http://127.0.0.1:${port}/open`)).text())
}

/** What the gateway holds when it has nothing to do: of its memory the least in a time that the collector comes by in. */
async function atRest(): Promise<{ rss: number; descriptors: number }> {
  const { pid } = gateway.child
  await until(async () => (await underWay(port)) === 0 && descriptors(pid) < 200, 10)
  let rss = rssMb(pid)
  for (let second = 0; second < collectedWithinS; second++) {
    await Bun.sleep(1_000)
    rss = Math.min(rss, rssMb(pid))
  }
  return { rss, descriptors: descriptors(pid) }
}

/** Seconds until `condition` holds, at most `limit`. */
async function until(condition: () => Promise<boolean>, limit: number, everyMs = 50): Promise<number> {
  const startedAt = performance.now()
  while (!(await condition()) && performance.now() - startedAt < limit * 1000) await Bun.sleep(everyMs)
  return (performance.now() - startedAt) / 1000
}

const upstream = await startUpstream(0)
const { port } = upstream
let gateway = await startGateway(port, SOAK_ROWS === undefined ? smallMemory : {})

if (SOAK_ROWS === undefined) {
  await clientsThatLeave()
  gateway.child.kill()
  gateway = await startGateway(port)
  await streamsSideBySide()
}
await costlyRequestsAndReplies()
if (SOAK_ROWS === undefined) {
  await upstreamKilled()
  await sigtermUnderLoad()
}
leave()

async function clientsThatLeave(): Promise<void> {
  const leaving = { concurrency: 200, recital: { numbers: 1_000, everyMs: 5 }, leaveWithinMs: 150 }
  // As many as are judged: a gateway holds more memory after its first 10,000 clients than before, and not after the next.
  await load(gateway.url, { ...leaving, clients: 10_000, untilMs: (seconds * 1000) / 3 })
  const before = await atRest()
  const left = await load(gateway.url, { ...leaving, clients: 10_000, untilMs: (seconds * 1000) / 3 })
  const letGo = await until(async () => (await underWay(port)) === 0, 10)
  row(
    'clients that left at a random moment',
    left.asked.toLocaleString('en'),
    left.cut + left.wrong + left.errors === 0,
  )
  row(
    '  upstream answers still under way',
    `${await underWay(port)} after ${letGo.toFixed(1)} s`,
    (await underWay(port)) === 0,
  )
  // The collector removes garbage, but not a leak.
  const collected = await until(async () => rssMb(gateway.child.pid) <= before.rss * 1.2, 2 * collectedWithinS, 1_000)
  const after = { rss: rssMb(gateway.child.pid), descriptors: descriptors(gateway.child.pid) }
  row(
    '  open descriptors before and after',
    `${before.descriptors}, ${after.descriptors}`,
    after.descriptors <= before.descriptors + 5,
  )
  const growth = `${((after.rss / before.rss - 1) * 100).toFixed(0)} %`
  row(
    `  memory before, and ${collected.toFixed(0)} s after`,
    `${before.rss.toFixed(0)} MB, ${after.rss.toFixed(0)} MB (${growth})`,
    after.rss <= before.rss * 1.2,
  )
}

async function streamsSideBySide(): Promise<void> {
  const streamSeconds = Math.max(5, Math.min(90, Math.round(seconds / 3)))
  const slow = { numbers: streamSeconds * 4, everyMs: 250 }
  const streams = await load(gateway.url, { clients: 1_000, concurrency: 1_000, recital: slow })
  row(
    `streams of ${streamSeconds.toFixed(0)} s, 1,000 at a time`,
    `${streams.whole} of ${streams.asked} whole`,
    streams.whole === 1_000,
  )
  row('  characters, each in its place', streams.characters.toLocaleString('en'))
  row('  memory at the end', `${rssMb(gateway.child.pid).toFixed(0)} MB`)
}

/** All other requests are answered meanwhile. */
async function costlyRequestsAndReplies(): Promise<void> {
  const longestGapMs = 50
  const prompting = (prompt: object) => [{ role: 'user', content: JSON.stringify(prompt) }]
  const costly: { name: string; body: object }[] = [
    ...costlyCases.map(({ name, schema }, index) => ({
      name,
      body: {
        messages: prompting({ costly: index }),
        response_format: { type: 'json_schema', json_schema: { name: 'it', schema } },
      },
    })),
    ...costlyRequests.map(({ name, body }) => ({ name, body: { ...body, model: unlimited } })),
    ...costlyReplies.map(({ name }, index) => ({
      name,
      body: {
        messages: prompting({ reply: index }),
        tools: [{ type: 'function', function: { name: 'it', parameters: { type: 'object' } } }],
        stream: true,
      },
    })),
  ]
  const prober = await startProber()
  for (const { name, body } of costly) {
    if (!rowNames.test(name)) continue
    const text = JSON.stringify({ model: 'glm-4.7', ...body })
    const { status, longest } = await prober.during(async () => {
      const response = await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', body: text })
      await response.text()
      return response.status
    })
    // The gateway's share is judged. By the clock it is more, where cores are fewer than what runs: this process, the
    // upstream, and the gateway's own threads for schemas, compilation and garbage.
    const { wallMs, threadMs } = longest
    const seen = `${threadMs.toFixed(0)} ms of the event loop, ${wallMs.toFixed(0)} ms by the clock`
    row(`beside ${name}: longest /healthz`, seen, threadMs <= longestGapMs && ![400, 404].includes(status))
  }
  for (const costlyBody of [...costlyDialects(['glm-4.7', unlimited]), ...costlyBodies(unlimited)]) {
    if (!rowNames.test(costlyBody.name)) continue
    const { status, longest } = await prober.during(() => sendCostly(gateway.url, costlyBody))
    const { wallMs, threadMs } = longest
    const seen = `${threadMs.toFixed(0)} ms of the event loop, ${wallMs.toFixed(0)} ms by the clock (${status})`
    // Texts longer than a model's context are refused, as are those longer than what is stored.
    row(`beside ${costlyBody.name}`, seen, threadMs <= longestGapMs && [200, 400, 413].includes(status))
  }
  const sequences = {
    'a batch of 100,000 requests': runLargeBatch,
    'what is added to a kept Chinese conversation': continueLongConversation,
  }
  for (const [name, run] of Object.entries(sequences)) {
    if (!rowNames.test(name)) continue
    const { status, longest } = await prober.during(() => run(gateway.url, unlimited))
    const seen = `${longest.threadMs.toFixed(0)} ms of the event loop, ${longest.wallMs.toFixed(0)} ms by the clock`
    row(`beside ${name}`, seen, longest.threadMs <= longestGapMs && status === 200)
  }
  prober.stop()
}

async function upstreamKilled(): Promise<void> {
  const killed = load(gateway.url, { clients: 100, concurrency: 100, recital: { numbers: 1_000, everyMs: 20 } })
  await until(async () => (await underWay(port)) === 100, 10)
  await Bun.sleep(500)
  upstream.child.kill('SIGKILL')
  const lost = await killed
  row(
    'upstream killed under 100 streams: told of it by an error',
    `${lost.errors} of ${lost.asked}`,
    lost.errors === 100,
  )
  // Twenty at all events, however much of the time the steps before have used.
  const down = await load(gateway.url, {
    clients: 20,
    concurrency: 5,
    recital: { numbers: 1, everyMs: 1 },
    untilMs: 60_000,
  })
  row('  asked while it is down: an error each', `${down.errors} of ${down.asked}`, down.errors === 20)
  await startUpstream(port)
  const single = { clients: 1, concurrency: 1, recital: { numbers: 1, everyMs: 1 } }
  const recovery = await until(
    async () =>
      (
        await fetch(`${gateway.url}/v1/chat/completions`, {
          method: 'POST',
          body: JSON.stringify({
            model: 'glm-4.7',
            messages: [{ role: 'user', content: JSON.stringify(single.recital) }],
          }),
        })
      ).ok,
    30,
  )
  row('  first answer after it is back', `${(recovery * 1000).toFixed(0)} ms`, recovery < 30)
}

async function sigtermUnderLoad(): Promise<void> {
  const longLoad = load(gateway.url, { clients: 200, concurrency: 200, recital: { numbers: 200, everyMs: 20 } })
  await until(async () => (await underWay(port)) === 200, 10)
  gateway.child.kill('SIGTERM')
  await Bun.sleep(300)
  const refused = await fetch(`${gateway.url}/healthz`).then(
    () => false,
    () => true,
  )
  const finished = await longLoad
  row('SIGTERM under 200 streams: finished', `${finished.whole} of ${finished.asked}`, finished.whole === 200)
  row('  new connections are refused', String(refused), refused)
  row('  exit code', String(await gateway.child.exited), (await gateway.child.exited) === 0)
}

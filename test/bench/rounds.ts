import { rmSync } from 'node:fs'
import { agentHour } from './agent-hour.ts'
import type { Load, Report } from './client.ts'
import {
  type Clients,
  cpuMicros,
  type Running,
  residentKb,
  scratch,
  startGateway,
  startNginx,
  startScript,
} from './processes.ts'
import type { Speech } from './reply-check.ts'
import { gapMs } from './script.ts'

/** What runs during all rounds. The measured servers are started again for each round. */
export interface Stage {
  binary: string
  /** Another executable of the gateway to measure in the same way. */
  baseline: string | undefined
  /** Loads to take, all where there are none. */
  only: readonly string[]
  upstream: Running
  clients: Clients
  /** For one load beside another. */
  guests: Clients
}

/** What one round measured, by name: `paced300.gateway.cpu`. Times in milliseconds, CPU in microseconds. */
export type Measured = Map<string, number>

export interface Pace {
  /** How long paced streams are watched. */
  windowMs: number
  /** Requests of the shorter loads, as a part of the usual number. */
  share: number
}

interface Target {
  name: string
  running: Running
  speech: Speech
}

const megabyte = 1024 * 1024

const question = { streams: true, requestsEach: 1, pauseMs: 0, historyBytes: 0, isAgentHour: false, windowMs: 0 }

/** Loads whose CPU is compared between executables and settings to a few percent. */
const closelyCompared = new Set(['paced300', 'burst', 'whole'])

/**
 * One round: every target in turn for each load, so that other load on the machine affects all alike. What came last was
 * up to a tenth cheaper for it: so the order is reversed from load to load and from one round (`number`)
 * to the next, and loads that are closely compared are taken in both orders.
 */
export async function round(
  stage: Stage,
  number: number,
  { windowMs, share }: Pace,
  log: (line: string) => void,
): Promise<Measured> {
  const measured: Measured = new Map()
  /** How often each figure was taken. */
  const takings = new Map<string, number>()
  const executable = async (binary: string, name: string, settings?: Record<string, string>) => {
    const started = await startGateway(binary, stage.upstream.port, settings)
    measured.set(`start.${name}.ms`, started.startMs)
    await Bun.sleep(300) // until it has said hello to its upstream
    measured.set(`idle.${name}.mb`, residentKb(started.pid) / 1024)
    return started
  }
  const gateway = await executable(stage.binary, 'gateway')
  const baseline = stage.baseline === undefined ? undefined : await executable(stage.baseline, baselineOf('gateway'))
  // It writes its list of requests to a file, as a server does by default.
  const filePath = `${scratch}/requests.sqlite`
  for (const suffix of ['', '-wal', '-shm']) rmSync(filePath + suffix, { force: true })
  const recording = await executable(stage.binary, 'file', { DATABASE_URL: `sqlite:${filePath}` })
  // The others keep all of a request but its messages.
  const forgetting = await executable(stage.binary, 'off', { CAPTURE: 'off' })
  const capturing = await executable(stage.binary, 'memory', { CAPTURE: 'memory' })
  const { upstream } = stage
  const relay = (kind: string) => startScript('relay.ts', kind, String(upstream.port))
  const reference = (name: string, running: Running): Target => ({ name, running, speech: 'reference' })
  const direct = reference('direct', upstream)
  const tight = reference('tight', await relay('tight'))
  const parse = reference('parse', await relay('parse'))
  const started = await startNginx(upstream.port)
  const nginx = started ? [reference('nginx', started)] : []
  if (!started) log('  nginx is not installed: its column stays empty')
  const dialect = (name: string, speech: Speech): Target[] => [
    { name, running: gateway, speech },
    ...(baseline ? [{ name: baselineOf(name), running: baseline, speech }] : []),
  ]
  const chat = dialect('gateway', 'chat')
  const messages = dialect('messages', 'messages')
  const file: Target = { name: 'file', running: recording, speech: 'chat' }
  const off: Target = { name: 'off', running: forgetting, speech: 'chat' }
  const memory: Target = { name: 'memory', running: capturing, speech: 'chat' }
  const stream = { script: { mode: 'paced', events: 10 }, requestsEach: Math.ceil(20 * share) } as const
  const loads: [name: string, targets: Target[], run: (target: Target) => Promise<void>][] = [
    ['paced1000', [tight, ...nginx, ...chat, direct], (target) => paced(target, 1000)],
    ['paced300', [tight, parse, ...nginx, ...chat, off, memory, file, ...messages], (target) => paced(target, 300)],
    ['paced100', [direct, tight, ...chat], (target) => paced(target, 100)],
    ['paced2000', [direct, tight, ...chat], flood],
    ['opened1000', [direct, tight, ...chat], (target) => opened(target, 1000)],
    ['opened2000', [direct, tight, ...chat], (target) => opened(target, 2000)],
    ['burst', [tight, parse, ...nginx, ...chat, ...messages], burst],
    ['first20', [direct, tight, ...chat], (target) => firstEvent(target, 'first20', {})],
    ['first20 paused', [direct, tight, ...chat], (target) => firstEvent(target, 'first20 paused', { pauseMs: 50 })],
    ['first20 streams', [direct, tight, ...chat], (target) => firstEvent(target, 'first20 streams', stream)],
    ['whole', [tight, ...chat, off, memory, file], whole],
    ['large1', [direct, tight, ...chat], (target) => large(target, 1)],
    ['large8', [direct, tight, ...chat], (target) => large(target, 8)],
    ['beside', chat, beside],
    ['cut', [...chat, ...messages], cut],
    ...Array.from({ length: Math.ceil(5 * share) }, (): (typeof loads)[number] => [
      'agent',
      [tight, ...chat, ...messages],
      agent,
    ]),
  ]
  const wanted = loads.filter(([name]) => stage.only.length === 0 || stage.only.includes(name))
  try {
    for (const target of new Set(wanted.flatMap(([, targets]) => targets))) await warmUp(target)
    for (const [index, [name, targets, run]] of wanted.entries()) {
      const order = (index + number) % 2 === 0 ? targets : targets.toReversed()
      for (const target of order) await run(target)
      if (closelyCompared.has(name)) for (const target of order.toReversed()) await run(target)
    }
  } finally {
    await Promise.all(
      [gateway, baseline, recording, forgetting, capturing, tight.running, parse.running, started].map((running) =>
        running?.stop(),
      ),
    )
  }
  return measured

  /** Of figures that are taken more than once the mean is kept, and of losses the sum. */
  function put(target: Target, load: string, figures: Record<string, number>): void {
    for (const [figure, value] of Object.entries(figures)) {
      const name = `${load}.${target.name}.${figure}`
      const before = takings.get(name) ?? 0
      const sum = (measured.get(name) ?? 0) * (figure === 'lost' ? 1 : before) + value
      takings.set(name, before + 1)
      measured.set(name, figure === 'lost' ? sum : sum / (before + 1))
    }
    const shown = Object.entries(figures).map(([figure, value]) => `${figure} ${value.toFixed(2)}`)
    log(`  ${load} ${target.name}: ${shown.join(', ')}`)
  }

  function loadOf(target: Target, load: Partial<Load> & Pick<Load, 'script' | 'clients'>): Load {
    return { ...question, port: target.running.port, speech: target.speech, ...load }
  }

  /**
   * It runs for months: what a runtime compiles in its first seconds is not what is measured. By turns, for what was
   * compiled for one kind of load is compiled anew for the next.
   */
  async function warmUp(target: Target): Promise<void> {
    const requestsEach = Math.ceil(600 * share)
    const loads = [
      { script: { mode: 'burst', events: 100 }, clients: 8, requestsEach: 60 },
      { script: { mode: 'burst', events: 2000 }, clients: 8, requestsEach: Math.ceil(3 * share) },
      { script: { mode: 'paced', events: 30 }, clients: 300 },
      { script: { mode: 'whole', events: 3 }, clients: 8, requestsEach },
      {
        script: { mode: 'whole', events: 100 },
        clients: 8,
        requestsEach,
        streams: streamsOnly(target),
      },
      { script: { mode: 'whole', events: 3 }, clients: 1, requestsEach: Math.ceil(3 * share), historyBytes: megabyte },
    ] as const
    for (let turn = 0; turn < 3; turn++) for (const load of loads) await stage.clients.run(loadOf(target, load))
  }

  async function paced(target: Target, clients: number): Promise<void> {
    const { pid } = target.running
    const restKb = residentKb(pid)
    const marks: { events: number; cpu: number; kb: number }[] = []
    // The first stream still runs when the window of the last one is over.
    const events = Math.ceil((windowMs + 1000 + 2.5 * clients) / gapMs)
    const report = await stage.clients.run(
      loadOf(target, { script: { mode: 'paced', events }, clients, windowMs }),
      (events) => marks.push({ events, cpu: cpuMicros(pid), kb: residentKb(pid) }),
    )
    const [from, to] = marks
    if (!from || !to) throw new Error(`${target.name} did not start ${clients} streams`)
    put(target, `paced${clients}`, {
      cpu: (to.cpu - from.cpu) / (to.events - from.events),
      kbPerStream: (to.kb - restKb) / clients,
      ...figuresOf(report, clients),
    })
  }

  async function flood(target: Target): Promise<void> {
    const events = Math.ceil((windowMs + 2000) / gapMs)
    const report = await stage.clients.run(loadOf(target, { script: { mode: 'paced', events }, clients: 2000 }))
    put(target, 'paced2000', { complete: report.complete, ...figuresOf(report, 2000) })
  }

  /** Streams that come one by one, but fast: the first still run when the last have come. */
  async function opened(target: Target, clients: number): Promise<void> {
    const script = { mode: 'paced', events: 2_000 / gapMs } as const
    const report = await stage.clients.run(loadOf(target, { script, clients, pauseMs: 250 }))
    put(target, `opened${clients}`, figuresOf(report, clients))
  }

  async function burst(target: Target): Promise<void> {
    const requestsEach = Math.ceil(20 * share)
    const load = loadOf(target, { script: { mode: 'burst', events: 2000 }, clients: 8, requestsEach })
    const { used, report } = await using(target, load)
    put(target, 'burst', { cpu: used / report.events, ...lossOf(report, 8 * requestsEach) })
  }

  async function firstEvent(target: Target, name: string, changed: Partial<Load>): Promise<void> {
    const requestsEach = Math.ceil(50 * share)
    const load = loadOf(target, { script: { mode: 'whole', events: 3 }, clients: 20, requestsEach, ...changed })
    put(target, name, figuresOf(await stage.clients.run(load), 20 * load.requestsEach))
  }

  async function whole(target: Target): Promise<void> {
    const requestsEach = Math.ceil(200 * share)
    const script = { mode: 'whole', events: 100 } as const
    const load = loadOf(target, { script, clients: 20, requestsEach, streams: streamsOnly(target) })
    const { used, report } = await using(target, load)
    const requests = 20 * requestsEach
    put(target, 'whole', {
      cpu: used / requests,
      rps: (requests / report.wallMs) * 1000,
      ...lossOf(report, requests),
    })
  }

  async function large(target: Target, megabytes: number): Promise<void> {
    const requestsEach = Math.ceil(9 * share)
    const historyBytes = megabytes * megabyte
    const load = loadOf(target, { script: { mode: 'whole', events: 3 }, clients: 1, requestsEach, historyBytes })
    put(target, `large${megabytes}`, figuresOf(await stage.clients.run(load), requestsEach))
  }

  /** 100 streams alone, and the same while requests of 8 MB come in one after the other. */
  async function beside(target: Target): Promise<void> {
    const events = Math.ceil((windowMs + 1500) / gapMs)
    const load = loadOf(target, { script: { mode: 'paced', events }, clients: 100, windowMs })
    put(target, 'alone', figuresOf(await stage.clients.run(load), 100))
    let started: Promise<Report> | undefined
    const guest = loadOf(target, { script: { mode: 'whole', events: 3 }, clients: 1, requestsEach: 4 })
    const report = await stage.clients.run(load, () => {
      started ??= stage.guests.run({ ...guest, historyBytes: 8 * megabyte })
    })
    const { broken } = (await started) ?? { broken: 0 }
    put(target, 'beside', { ...figuresOf(report, 100), lost: 100 - report.complete + broken })
  }

  async function cut(target: Target): Promise<void> {
    const report = await stage.clients.run(
      loadOf(target, { script: { mode: 'cut', events: 20 }, clients: 20, requestsEach: 2 }),
    )
    put(target, 'cut', { told: report.failedPolitely, asked: 40 })
  }

  /** A whole session, one turn after the other. */
  async function agent(target: Target): Promise<void> {
    const script = { mode: 'call', events: 100 } as const
    const load = loadOf(target, { script, clients: 1, requestsEach: agentHour.turns, isAgentHour: true })
    const { used, report } = await using(target, load)
    put(target, 'agent', { cpu: used / agentHour.turns, first50: report.first.p50, ...lossOf(report, agentHour.turns) })
  }

  async function using(target: Target, load: Load): Promise<{ used: number; report: Report }> {
    const before = cpuMicros(target.running.pid)
    const report = await stage.clients.run(load)
    return { used: cpuMicros(target.running.pid) - before, report }
  }
}

/** The name of the same target in front of the other executable. */
export function baselineOf(target: string): string {
  return `${target}Baseline`
}

/** A relay has no replies but streams. */
function streamsOnly({ speech }: Target): boolean {
  return speech === 'reference'
}

function figuresOf(report: Report, requests: number): Record<string, number> {
  const { first, latency, gap } = report
  return {
    first50: first.p50,
    first99: first.p99,
    latency50: latency.p50,
    latency99: latency.p99,
    gap99: gap.p99,
    ...lossOf(report, requests),
  }
}

function lossOf({ complete }: Report, requests: number): { lost: number } {
  return { lost: requests - complete }
}

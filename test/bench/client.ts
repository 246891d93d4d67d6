import type { Socket } from 'bun'
import { agentRequestAt } from './agent-hour.ts'
import { messageReader } from './framing.ts'
import { replyCheck, type Speech } from './reply-check.ts'
import { nowMicros, type Script, scriptText } from './script.ts'

/**
 * Many clients in one process, on bare sockets. It is told one load after the other and reports each one back over the
 * channel to its parent.
 */
export interface Load {
  port: number
  speech: Speech
  streams: boolean
  script: Script
  clients: number
  /** Requests that each client sends one after the other on one connection. */
  requestsEach: number
  /** Before each request of a client, on average; 0 keeps all of them waiting for replies. */
  pauseMs: number
  /** Of history in front of the last message, in 500 messages beside 60 tools; 0 for a short question. */
  historyBytes: number
  /** Each request of a client is a turn of one session, with all that was before in it. */
  isAgentHour: boolean
  /** How long to measure after every client has received its first event; 0 measures all the time. */
  windowMs: number
}

/** `watch` and `watched` mark the start and the end of the time in which latencies and gaps are measured. */
export type Told = { at: 'ready' } | { at: 'watch' | 'watched'; events: number } | { at: 'end'; report: Report }

/** Times in milliseconds, unsorted. The parent process computes quantiles. */
export interface Report {
  complete: number
  failedPolitely: number
  broken: number
  events: number
  wallMs: number
  first: Quantiles
  latency: Quantiles
  gap: Quantiles
}

export interface Quantiles {
  p50: number
  p99: number
}

const keys = { authorization: 'Bearer bench-key-00000000', 'anthropic-version': '2023-06-01' }

process.on('message', (load: Load) => void run(load).then((report) => tell({ at: 'end', report })))
tell({ at: 'ready' })

function tell(told: Told): void {
  process.send?.(told)
}

async function run(load: Load): Promise<Report> {
  const requests = load.isAgentHour
    ? Array.from({ length: load.requestsEach }, (_, turn) => requestBytes(load, turn))
    : [requestBytes(load)]
  const requestFor = (left: number) => requests[(load.requestsEach - left) % requests.length] ?? Buffer.of()
  const startedAt = nowMicros()
  const first: number[] = []
  const latency: number[] = []
  const gap: number[] = []
  const verdicts = { complete: 0, 'failed-politely': 0, broken: 0 }
  let events = 0
  let begun = 0
  let watching = load.windowMs === 0

  await Promise.all(Array.from({ length: load.clients }, client))
  return {
    complete: verdicts.complete,
    failedPolitely: verdicts['failed-politely'],
    broken: verdicts.broken,
    events,
    wallMs: (nowMicros() - startedAt) / 1000,
    first: quantiles(first),
    latency: quantiles(latency),
    gap: quantiles(gap),
  }

  async function client(): Promise<void> {
    for (let left = load.requestsEach; left > 0; ) left = await connection(left)
  }

  /** Resolves with the requests that are still to do once the connection has ended. */
  function connection(left: number): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>()
    let unsent = requestFor(left)
    let sentAt = 0
    let lastAt = 0
    let started = false
    let check = newCheck()
    const reader = messageReader({
      onHead: () => {},
      onBody: (bytes) => check.push(bytes),
      onEnd: () => ended(),
    })
    let peer: Socket<undefined> | undefined
    Bun.connect({
      hostname: '127.0.0.1',
      port: load.port,
      socket: {
        open(socket) {
          peer = socket
          askSoon()
        },
        data: (_socket, bytes) => reader.push(bytes),
        drain: flush,
        close: lost,
        error: lost,
      },
    }).catch(lost)
    return promise

    function newCheck() {
      return replyCheck({ ...load, onEvent: received })
    }

    function ask(): void {
      sentAt = nowMicros()
      lastAt = 0
      unsent = requestFor(left)
      check = newCheck()
      flush()
    }

    function flush(): void {
      const written = peer?.write(unsent) ?? 0
      if (written > 0) unsent = unsent.subarray(written)
    }

    function received(eventSentAt: number, readAt: number): void {
      events++
      if (lastAt === 0) {
        first.push((readAt - sentAt) / 1000)
        if (!started && ++begun === load.clients) watch()
        started = true
      }
      if (watching) {
        latency.push((readAt - eventSentAt) / 1000)
        if (lastAt > 0) gap.push((readAt - lastAt) / 1000)
      }
      lastAt = readAt
    }

    function ended(): void {
      verdicts[check.verdict()]++
      left--
      if (left === 0) peer?.end()
      else askSoon()
    }

    function askSoon(): void {
      if (load.pauseMs === 0) ask()
      else setTimeout(ask, 2 * load.pauseMs * Math.random())
    }

    /** Called when the connection is closed, possibly in the middle of a response. */
    function lost(): void {
      if (left > 0) {
        verdicts[check.verdict()]++
        left--
      }
      resolve(left)
    }
  }

  function watch(): void {
    if (load.windowMs === 0) return
    watching = true
    tell({ at: 'watch', events })
    setTimeout(() => {
      watching = false
      tell({ at: 'watched', events })
    }, load.windowMs)
  }
}

function quantiles(times: number[]): Quantiles {
  const sorted = Float64Array.from(times).sort()
  return { p50: sorted[Math.floor(sorted.length * 0.5)] ?? 0, p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0 }
}

function requestBytes({ speech, streams, script, historyBytes, isAgentHour }: Load, turn = 0): Buffer {
  const path = speech === 'messages' ? '/v1/messages' : speech === 'chat' ? '/v1/chat/completions' : '/chat/completions'
  const body = Buffer.from(
    JSON.stringify({
      // A model without a known context window, so that requests of any length are accepted.
      model: 'glm-9',
      max_tokens: 4096,
      stream: streams,
      ...(isAgentHour
        ? agentRequestAt(turn, speech, scriptText(script))
        : {
            ...history(historyBytes, speech),
            messages: [...turns(historyBytes), { role: 'user', content: scriptText(script) }],
          }),
    }),
  )
  const headers = Object.entries({
    host: '127.0.0.1',
    'content-type': 'application/json',
    'content-length': String(body.length),
    ...keys,
  })
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${head}\r\n`), body])
}

const turnsOfHistory = 500

function turns(bytes: number): object[] {
  if (bytes === 0) return []
  const words = 'The second reader found the spare key under a loose stone beside the well. '
  const content = words.repeat(Math.ceil(bytes / turnsOfHistory / words.length))
  return Array.from({ length: turnsOfHistory }, (_, turn) => ({
    role: turn % 2 === 0 ? 'user' : 'assistant',
    content: `${turn}: ${content}`,
  }))
}

function history(bytes: number, speech: Speech): object {
  if (bytes === 0) return {}
  const tools = Array.from({ length: 60 }, (_, tool) => ({
    name: `tool_${tool}`,
    description: 'Looks up one thing among many and says what is known of it.',
    parameters: {
      type: 'object',
      properties: { path: { type: 'string', description: 'Where to look.' }, depth: { type: 'integer' } },
      required: ['path'],
    },
  }))
  return speech === 'messages'
    ? { tools: tools.map(({ parameters, ...tool }) => ({ ...tool, input_schema: parameters })) }
    : { tools: tools.map((tool) => ({ type: 'function', function: tool })) }
}

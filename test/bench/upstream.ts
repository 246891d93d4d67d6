import type { Socket } from 'bun'
import { calledTool } from './agent-hour.ts'
import { type MessageReader, messageReader } from './framing.ts'
import { callPieces, gapMs, nowMicros, type Script, scriptIn, unit } from './script.ts'

/**
 * A fake of the official API on plain sockets, so that it takes little CPU beside what is measured. Each event is
 * an HTTP chunk of its own, as servers that flush every token send them. Prints its port and ends with its parent.
 */
interface Connection {
  reader: MessageReader
  /** Bytes that the socket has not accepted yet. */
  unsent: Buffer | undefined
  reply: Reply | undefined
}

interface Reply {
  script: Script
  next: number
}

type Peer = Socket<Connection>

const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream;charset=UTF-8\r\nTransfer-Encoding: chunked\r\n\r\n'
const envelope =
  '{"id":"20261122083000f00ba4","created":1795336200,"object":"chat.completion.chunk","model":"glm-4.6","choices":[{"index":0,'
const beforeText = `data: ${envelope}"delta":{"role":"assistant","content":"`
const afterText = '"}}]}\n\n'
const usage = '"usage":{"prompt_tokens":20,"completion_tokens":200,"total_tokens":220}'
const ending = chunk(
  `data: ${envelope}"finish_reason":"stop","delta":{"role":"assistant","content":""}}],${usage}}\n\n` +
    'data: [DONE]\n\n',
)
const callEvents = [
  `"id":"call_1","type":"function","function":{"name":"${calledTool}","arguments":""}`,
  ...callPieces.map((piece) => `"function":{"arguments":"${piece}"}`),
].map((call) => `data: ${envelope}"delta":{"tool_calls":[{"index":0,${call}}]}}]}\n\n`)
const endOfCall = chunk(
  `${callEvents.pop()}data: ${envelope}"finish_reason":"tool_calls","delta":{}}],${usage}}\n\ndata: [DONE]\n\n`,
)
const callText = callEvents.map((event) => `${event.length.toString(16)}\r\n${event}\r\n`).join('')
const sizeLine = `${(beforeText.length + unit(0, 0).length + afterText.length).toString(16)}\r\n`
const models = JSON.stringify({ data: ['glm-4.6', 'glm-9'].map((id) => ({ id, object: 'model' })) })

/** Streams of one pace start in turns, so that their events do not all fall on one instant. */
const phases = 25
const turnMs = gapMs / phases
const wheel: Set<Peer>[] = Array.from({ length: phases }, () => new Set())
let nextPhase = 0
let turn = 0
const startedAt = performance.now()
setInterval(() => {
  // After a late timer the missed events are sent at once, because the pace is part of the measurement.
  for (const due = (performance.now() - startedAt) / turnMs; turn < due; turn++)
    for (const peer of wheel[turn % phases] ?? []) tick(peer)
}, turnMs)

/** Events of one burst in one write. */
const burstWrite = 32

const server = Bun.listen<Connection>({
  hostname: '127.0.0.1',
  port: 0,
  socket: {
    open(peer) {
      peer.data = { reader: readerOf(peer), unsent: undefined, reply: undefined }
    },
    data: (peer, bytes) => peer.data.reader.push(bytes),
    drain(peer) {
      const { unsent } = peer.data
      peer.data.unsent = undefined
      if (unsent) send(peer, unsent)
      if (!peer.data.unsent && isBurst(peer.data.reply)) burst(peer)
    },
    close: forget,
    error: forget,
  },
})
console.log(server.port)
for await (const _ of process.stdin);
process.exit(0)

function readerOf(peer: Peer): MessageReader {
  let parts: Buffer[] = []
  let asksModels = false
  return messageReader({
    onHead: (requestHead) => {
      parts = []
      asksModels = requestHead.startsWith('get ')
    },
    onBody: (bytes) => parts.push(Buffer.from(bytes)),
    onEnd() {
      if (asksModels) answer(peer, models)
      else begin(peer, scriptIn(parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)))
    },
  })
}

function answer(peer: Peer, body: string): void {
  send(peer, `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
}

function begin(peer: Peer, script: Script): void {
  peer.data.reply = { script, next: 0 }
  switch (script.mode) {
    case 'paced':
      send(peer, head + events(peer.data.reply, 1))
      wheel[nextPhase++ % phases]?.add(peer)
      break
    case 'burst':
    case 'call':
      send(peer, head)
      burst(peer)
      break
    case 'whole':
      send(peer, head + events(peer.data.reply, script.events) + ending)
      peer.data.reply = undefined
      break
    case 'cut':
      send(peer, head + events(peer.data.reply, script.events))
      setTimeout(() => peer.terminate(), 20)
      break
    default:
      script.mode satisfies never
  }
}

function tick(peer: Peer): void {
  const { reply, unsent } = peer.data
  if (!reply || unsent) return
  const last = reply.next + 1 >= reply.script.events
  send(peer, last ? events(reply, 1) + ending : events(reply, 1))
  if (last) forget(peer)
}

function burst(peer: Peer): void {
  const { reply } = peer.data
  if (!reply || peer.data.unsent) return
  send(peer, events(reply, Math.min(burstWrite, reply.script.events - reply.next)))
  if (reply.next < reply.script.events) {
    if (!peer.data.unsent) setImmediate(burst, peer)
    return
  }
  peer.data.reply = undefined
  send(peer, reply.script.mode === 'call' ? callText + endOfCall : ending)
}

function isBurst(reply: Reply | undefined): boolean {
  return reply?.script.mode === 'burst' || reply?.script.mode === 'call'
}

function events(reply: Reply, count: number): string {
  let text = ''
  for (let left = count; left > 0; left--)
    text += `${sizeLine}${beforeText}${unit(reply.next++, nowMicros())}${afterText}\r\n`
  return text
}

function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`
}

function send(peer: Peer, data: string | Buffer): void {
  const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data
  const { unsent } = peer.data
  if (unsent) {
    peer.data.unsent = Buffer.concat([unsent, bytes])
    return
  }
  const written = Math.max(0, peer.write(bytes))
  if (written < bytes.length) peer.data.unsent = bytes.subarray(written)
}

function forget(peer: Peer): void {
  peer.data.reply = undefined
  for (const phase of wheel) phase.delete(peer)
}

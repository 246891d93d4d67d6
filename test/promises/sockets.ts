import { connect, type Socket } from 'node:net'
import { systemClock } from '../../src/async/system-clock.ts'
import type { Upstream } from '../../src/core/upstream.ts'
import { demo } from '../../src/upstreams/demo/index.ts'
import { type GatewaySettings, type RunningGateway, startGateway } from '../support/gateway.ts'

// What the gateway refuses, and what it survives, on real sockets.

const running: RunningGateway[] = []

export async function stopGateways() {
  for (const gateway of running.splice(0)) await gateway.stop()
}

export function gatewayOf(settings: GatewaySettings = {}, upstream: Upstream = quickDemo()): RunningGateway {
  const gateway = startGateway([upstream], settings)
  running.push(gateway)
  return gateway
}

export function quickDemo(): Upstream {
  return demo({ clock: systemClock, idleMs: 60_000, paceMs: 0 })
}

export const says = (content: string) => ({ model: 'GLM-4.5', max_tokens: 100, messages: [{ role: 'user', content }] })

export function post(gateway: RunningGateway, path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(gateway.url + path, { method: 'POST', body: JSON.stringify(body), ...init })
}

export const chat = '/v1/chat/completions'
export const forms: [path: string, body: object][] = [
  [chat, says('Hi')],
  ['/v1/messages', says('Hi')],
  ['/v1/responses', { model: 'GLM-4.5', input: 'Hi' }],
  ['/v1/completions', { model: 'GLM-4.5', prompt: 'Hi' }],
]

export async function measured(gateway: RunningGateway, metric: string): Promise<number> {
  const text = await (await fetch(`${gateway.url}/metrics`)).text()
  return Number(new RegExp(`^${metric} (.*)$`, 'm').exec(text)?.[1])
}

export async function untilIdle(gateway: RunningGateway): Promise<void> {
  for (let tries = 0; (await measured(gateway, 'zai2api_active_requests')) > 0; tries++)
    if (tries > 2_000) throw new Error('a request kept its place')
}

interface Dialled {
  socket: Socket
  said: () => string
  closed: Promise<void>
}

export async function dial(gateway: RunningGateway): Promise<Dialled> {
  const { hostname, port } = new URL(gateway.url)
  const socket = connect(Number(port), hostname)
  let said = ''
  socket.on('data', (piece) => {
    said += piece.toString('latin1')
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  return { socket, said: () => said, closed }
}

/** A POST on a socket the test controls; without a framing header the body is whole. */
export async function rawPost(gateway: RunningGateway, framing: string, body: string, path = chat): Promise<Dialled> {
  const dialled = await dial(gateway)
  const length = framing || `Content-Length: ${Buffer.byteLength(body)}`
  dialled.socket.write(`POST ${path} HTTP/1.1\r\nHost: localhost:8080\r\n${length}\r\n\r\n${body}`)
  return dialled
}

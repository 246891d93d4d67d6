import { batch, signal } from '@preact/signals'
import { createParser } from 'eventsource-parser'
import type { Capture } from '../../admin/schema/capture.ts'
import type { LiveEvent } from '../../admin/schema/events.ts'
import type { RequestRow } from '../../admin/schema/requests.ts'
import type { UpstreamBrief } from '../../admin/schema/upstreams.ts'
import { ApiError, call } from './client.ts'

/** Whether a request could succeed now; `undefined` until the gateway has answered. */
export const ready = signal<boolean | undefined>(undefined)
export const upstreams = signal<readonly UpstreamBrief[]>([])
export const capture = signal<Capture | undefined>(undefined)
/** Requests under way, newest first. */
export const running = signal<readonly RequestRow[]>([])
/** The date, once a second: for ages and countdowns. */
export const now = signal(Date.now())
/** When the last message of the gateway came. */
export const lastMessageAt = signal(Date.now())
/** When the connection is tried again; none while it stands. */
export const retryAt = signal<number | undefined>(undefined)

type Ended = (row: RequestRow) => void
const listeners = new Set<Ended>()

/** Calls `listener` with every request that ends while the page is open. Returns the function that stops it. */
export function onEnded(listener: Ended): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

const underWay = new Map<string, RequestRow>()
let attempt: AbortController | undefined
let failures = 0
let timer = 0

/** Opens the stream of events and keeps it open. A hidden page closes it and opens it again when it is seen. */
export function startLive(): void {
  if (timer !== 0) return
  timer = window.setInterval(tick, 1000)
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) attempt?.abort()
    else connectNow()
  })
  connectNow()
}

export function connectNow(): void {
  attempt?.abort()
  retryAt.value = undefined
  const controller = new AbortController()
  attempt = controller
  void listen(controller.signal).catch(() => {
    if (attempt !== controller || document.hidden) return
    failures += 1
    retryAt.value = Date.now() + Math.min(15_000, 1000 * 2 ** failures)
  })
}

function tick(): void {
  if (document.hidden) return
  const date = Date.now()
  now.value = date
  if (retryAt.value !== undefined && date >= retryAt.value) connectNow()
  // A dead connection may look open. The gateway sends a comment every 2 s, so silence shows it.
  else if (retryAt.value === undefined && date - lastMessageAt.value > 10_000) connectNow()
}

async function listen(signal: AbortSignal): Promise<void> {
  const response = await call('GET', 'events', undefined, signal)
  const reader = response.body?.getReader()
  if (!reader) throw new ApiError(0, '')
  failures = 0
  const parser = createParser({
    onEvent: ({ event, data }) => take({ event, data: JSON.parse(data) } as LiveEvent),
  })
  const decoder = new TextDecoder()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) throw new ApiError(0, '')
    batch(() => {
      lastMessageAt.value = Date.now()
      parser.feed(decoder.decode(value, { stream: true }))
      if (changed) publish()
    })
  }
}

let changed = false

function take({ event, data }: LiveEvent): void {
  if (event === 'state') {
    ready.value = data.ready
    upstreams.value = data.upstreams
    if (!data.running) return
    underWay.clear()
    for (const row of data.running) underWay.set(row.id, row)
    changed = true
  } else if (event === 'capture') capture.value = data
  else if (event === 'request') {
    changed = true
    if (data.state !== 'done') underWay.set(data.id, data)
    else {
      underWay.delete(data.id)
      for (const listener of listeners) listener(data)
    }
  }
}

function publish(): void {
  changed = false
  running.value = [...underWay.values()].sort((a, b) => b.at - a.at)
}

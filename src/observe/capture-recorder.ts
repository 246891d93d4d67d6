import type { ExchangeObserver, MessageHead } from '../core/call-observer.ts'
import type { Clock } from '../core/clock.ts'
import { append, type BufferSlice, type KeptBody, newBody } from './captured-body.ts'
import type { CapturedRequests, KeptRequest } from './captured-requests.ts'

/** Takes the bodies of one request as they come. */
export interface RequestCapture {
  requestHead(head: MessageHead): void
  requestBody(body: string | Buffer): void
  exchange(attempt: number): ExchangeObserver
  replyHead(head: MessageHead): void
  /** `now` is a moment of the monotonic clock. */
  written(text: string | Uint8Array, now: number): void
  /** The request is over. */
  end(): void
}

/** Attempts whose bodies are kept: the last ones. */
const mostAttempts = 8

export interface RecorderOptions {
  requests: CapturedRequests
  clock: Clock
  /** The most bytes of one body. */
  limit: number
  onEnd: () => void
}

export function requestRecorder(
  request: KeptRequest,
  { requests, clock, limit, onEnd }: RecorderOptions,
): RequestCapture {
  let clientRequest: KeptBody | undefined
  let clientReply: KeptBody | undefined

  return {
    requestHead(head) {
      clientRequest = begin('client-request', head)
    },
    requestBody(body) {
      if (!clientRequest) return
      const chunk = typeof body === 'string' ? body : { bytes: body, start: 0, end: body.length }
      add(clientRequest, chunk, clock.monotonic())
    },
    exchange,
    replyHead(head) {
      clientReply = begin('client-reply', head)
    },
    written(text, now) {
      if (!clientReply) return
      if (typeof text === 'string') add(clientReply, text, now)
      else add(clientReply, { bytes: text, start: 0, end: text.length }, now)
    },
    end() {
      request.isOpen = false
      onEnd()
    },
  }

  function exchange(attempt: number): ExchangeObserver {
    for (const name of ['upstream-request', 'upstream-reply'])
      requests.setBody(request, `${name} ${attempt - mostAttempts}`)
    let upstreamReply: KeptBody | undefined
    return {
      sent({ body, ...head }) {
        const sent = begin(`upstream-request ${attempt}`, head)
        if (!sent || body === undefined) return
        const chunk = typeof body === 'string' ? body : { bytes: body, start: 0, end: body.length }
        add(sent, chunk, clock.monotonic())
      },
      answered(head) {
        upstreamReply = begin(`upstream-reply ${attempt}`, head)
      },
      received(range) {
        if (upstreamReply) add(upstreamReply, range, clock.monotonic())
      },
    }
  }

  /** Begins a body, in the place of another one of that name. */
  function begin(name: string, head: MessageHead): KeptBody | undefined {
    if (!request.isOpen) return undefined
    const body = newBody(head, limit)
    requests.setBody(request, name, body)
    return body
  }

  function add(body: KeptBody, chunk: string | BufferSlice, now: number): void {
    if (request.isOpen) requests.grow(request, append(body, chunk, now - request.startedAt, limit))
  }
}

import type { ExchangeObserver, MessageHead } from '../core/call-observer.ts'
import type { Clock } from '../core/clock.ts'
import {
  append,
  type CapturedFace,
  type Chunk,
  costOf,
  type Face,
  headOf,
  newFace,
  shown,
  textsOf,
} from './captured-face.ts'
import type { FindSecrets } from './redaction.ts'

/** What is kept of requests: nothing, all but bodies, bodies in memory, or bodies in files. */
export const captureModes = ['off', 'metadata', 'memory', 'disk'] as const
export type CaptureMode = (typeof captureModes)[number]

export const faceNames = ['client-request', 'upstream-request', 'upstream-reply', 'client-reply'] as const
export type FaceName = (typeof faceNames)[number]

export interface CaptureState {
  mode: CaptureMode
  /** When `mode` falls back to `configured`, in epoch milliseconds. */
  until?: number
  configured: CaptureMode
  /** In memory, or in files where `mode` is `disk`. */
  used_bytes: number
  max_bytes: number
}

/** Keeps the bodies of requests, the client's and the upstream's, as long as there is room. */
export interface Capture {
  mode(): CaptureMode
  state(): CaptureState
  /** Changes the mode for later requests; without `minutes` until the program ends or the next change. */
  set(mode: CaptureMode, minutes?: number): void
  /** Called whenever the state changes. Returns what ends the subscription. */
  subscribe(listener: () => void): () => void
  /** Begins to keep what belongs to a request; `undefined` where bodies are not kept. */
  begin(id: string, startedAt: number): RequestCapture | undefined
  /** What was kept of a request, or a sentence that says why nothing was. */
  read(id: string): Promise<Captured | string>
  /** The client's request as it came, with its secrets; `undefined` where it is not here, or not whole. */
  original(id: string): Promise<{ head: MessageHead; body: string } | undefined>
  close(): Promise<void>
}

/** The messages of one request, without secrets. */
export interface Captured {
  faces: CapturedFaceOf[]
}

export interface CapturedFaceOf extends Face {
  face: FaceName
  /** Of the two at the upstream; from 1. */
  attempt?: number
}

/** Takes the messages of one request. */
export interface RequestCapture {
  asked(head: MessageHead): void
  askedBody(body: string): void
  exchange(attempt: number): ExchangeObserver
  answered(head: MessageHead): void
  /** `now` is a moment of the monotonic clock. */
  written(text: string | Uint8Array, now: number): void
  /** The request is over. */
  end(): void
}

export interface CaptureOptions {
  clock: Clock
  /** As the configuration has them; asked for whenever they are needed. */
  configured: () => { mode: CaptureMode; maxBytes: number; maxDiskBytes: number }
  findSecrets: FindSecrets
  /** Where `disk` keeps them. */
  files?: CaptureFiles | undefined
}

/** Bodies that outlive the program. */
export interface CaptureFiles {
  write(id: string, captured: Captured): Promise<void>
  read(id: string): Promise<Captured | undefined>
  usedBytes(): number
  close(): Promise<void>
}

interface Kept {
  id: string
  startedAt: number
  faces: Map<string, CapturedFace>
  bytes: number
  isOpen: boolean
  toDisk: boolean
}

/** What a request costs besides its messages (measured with Bun 1.4.5). */
const requestOverhead = 1_000
/** One message may take this part of the room. */
const largestShare = 1 / 8
/** Attempts whose messages are kept: the last ones. */
const mostAttempts = 8
/** Ids of dropped requests that are remembered, so that the reason can be told. */
const mostDropped = 1_000

/** Without files, `disk` keeps what `memory` does. The requests that were not looked at for the longest time are dropped first. */
export function createCapture({ clock, configured, findSecrets, files }: CaptureOptions): Capture {
  // A Map keeps the order of insertion: the first entry is the one that was not used for the longest time.
  const kept = new Map<string, Kept>()
  const dropped = new Set<string>()
  const listeners = new Set<() => void>()
  let writing: Promise<void> = Promise.resolve()
  let chosen: { mode: CaptureMode; until?: number } | undefined
  let stopTimer = () => {}
  let usedBytes = 0
  // As configured when the last request began.
  let roomBytes = 0

  return {
    mode,
    state: () => ({
      ...{ mode: mode(), configured: configured().mode },
      ...(chosen?.until === undefined ? {} : { until: chosen.until }),
      ...room(),
    }),
    set(next, minutes) {
      stopTimer()
      stopTimer = () => {}
      chosen = { mode: next }
      if (minutes !== undefined) {
        chosen.until = clock.now() + minutes * 60_000
        stopTimer = clock.after(minutes * 60_000, () => {
          chosen = undefined
          changed()
        })
      }
      changed()
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    begin(id, startedAt) {
      const now = mode()
      if (now !== 'memory' && now !== 'disk') return undefined
      roomBytes = configured().maxBytes
      const request: Kept = { id, startedAt, faces: new Map(), bytes: 0, isOpen: true, toDisk: now === 'disk' }
      kept.set(id, request)
      grow(request, requestOverhead)
      return recorder(request)
    },
    async read(id) {
      const request = use(id)
      if (request) return { faces: facesOf(request) }
      return (await files?.read(id)) ?? reasonFor(id)
    },
    async original(id) {
      const face = use(id)?.faces.get('client-request')
      if (face) return face.truncated ? undefined : { head: headOf(face), body: textsOf(face).join('') }
      const stored = (await files?.read(id))?.faces.find((one) => one.face === 'client-request')
      if (!stored || stored.truncated) return undefined
      return { head: stored, body: stored.chunks.map(({ text }) => text).join('') }
    },
    async close() {
      stopTimer()
      for (const request of kept.values()) store(request)
      await writing
      await files?.close()
    },
  }

  function mode(): CaptureMode {
    return chosen?.mode ?? configured().mode
  }

  function room(): Pick<CaptureState, 'used_bytes' | 'max_bytes'> {
    const { maxBytes, maxDiskBytes } = configured()
    return files && mode() === 'disk'
      ? { used_bytes: files.usedBytes(), max_bytes: maxDiskBytes }
      : { used_bytes: usedBytes, max_bytes: maxBytes }
  }

  function changed(): void {
    for (const listener of listeners) listener()
  }

  function recorder(request: Kept): RequestCapture {
    const limit = Math.floor(roomBytes * largestShare)
    const elapsed = (now: number) => now - request.startedAt
    const add = (face: CapturedFace, chunk: string | Chunk, now: number) => {
      if (request.isOpen) grow(request, append(face, chunk, elapsed(now), limit))
    }
    const faceOf = (name: string, head: MessageHead) => {
      if (!request.isOpen) return undefined
      const face = newFace(head, limit)
      replace(request, name, face)
      return face
    }
    let asked: CapturedFace | undefined
    let replied: CapturedFace | undefined
    return {
      asked(head) {
        asked = faceOf('client-request', head)
      },
      askedBody(body) {
        if (asked) add(asked, body, clock.monotonic())
      },
      exchange(attempt) {
        for (const name of ['upstream-request', 'upstream-reply']) replace(request, `${name} ${attempt - mostAttempts}`)
        let reply: CapturedFace | undefined
        return {
          sent({ body, ...head }) {
            const face = faceOf(`upstream-request ${attempt}`, head)
            if (face && body !== undefined) add(face, body, clock.monotonic())
          },
          answered(head) {
            reply = faceOf(`upstream-reply ${attempt}`, head)
          },
          received(range) {
            if (reply) add(reply, range, clock.monotonic())
          },
        }
      },
      answered(head) {
        replied = faceOf('client-reply', head)
      },
      written(text, now) {
        if (!replied) return
        if (typeof text === 'string') add(replied, text, now)
        else add(replied, { bytes: text, start: 0, end: text.length }, now)
      },
      end() {
        request.isOpen = false
        if (request.toDisk) store(request)
      },
    }
  }

  /** Puts a message in the place of another one, or removes that one. */
  function replace(request: Kept, name: string, face?: CapturedFace): void {
    const before = request.faces.get(name)
    if (face) request.faces.set(name, face)
    else request.faces.delete(name)
    grow(request, (face ? costOf(face) : 0) - (before ? costOf(before) : 0))
  }

  function grow(request: Kept, bytes: number): void {
    if (kept.get(request.id) !== request) return
    request.bytes += bytes
    usedBytes += bytes
    if (usedBytes > roomBytes) makeRoom()
  }

  function makeRoom(): void {
    for (const request of kept.values()) {
      if (usedBytes <= roomBytes) return
      drop(request)
      dropped.add(request.id)
      for (const oldest of dropped) if (dropped.size > mostDropped) dropped.delete(oldest)
    }
  }

  function drop(request: Kept): void {
    request.isOpen = false
    kept.delete(request.id)
    usedBytes -= request.bytes
  }

  function use(id: string): Kept | undefined {
    const request = kept.get(id)
    if (request) {
      kept.delete(id)
      kept.set(id, request)
    }
    return request
  }

  /**
   * Writes a request to its file, where there are files; then it needs no memory. One after the other, because each needs
   * its texts a second time meanwhile. One that has made room before its turn is not written.
   */
  function store(request: Kept): void {
    if (!files || !request.toDisk) return
    const write = async () => {
      if (kept.get(request.id) !== request) return
      await files.write(request.id, { faces: facesOf(request) })
      if (kept.get(request.id) === request) drop(request)
    }
    // A request that cannot be written stays in memory as long as there is room.
    writing = writing.then(write).catch(() => {})
  }

  function facesOf({ faces }: Kept): CapturedFaceOf[] {
    return [...faces].flatMap(([name, face]) => {
      const [called, attempt] = name.split(' ')
      const known = faceNames.find((one) => one === called)
      if (known === undefined) return []
      return [
        { face: known, ...(attempt === undefined ? {} : { attempt: Number(attempt) }), ...shown(face, findSecrets) },
      ]
    })
  }

  function reasonFor(id: string): string {
    if (dropped.has(id))
      return 'Its bodies have made room for those of newer requests; CAPTURE_MB sets how many are kept.'
    const now = mode()
    if (now === 'off' || now === 'metadata')
      return `Bodies are not kept (CAPTURE is ${now}): start to capture for some minutes, or set CAPTURE=memory.`
    return 'It came before bodies were kept, or with an earlier run of this gateway.'
  }
}

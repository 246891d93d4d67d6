import type { MessageHead } from '../core/call-observer.ts'
import { createClientSecretFinder } from '../core/client-secrets.ts'
import type { Clock } from '../core/clock.ts'
import { mcpSecretsIn } from '../core/mcp-secrets.ts'
import { type CaptureMode, createModeSwitch } from './capture-mode.ts'
import { type RequestCapture, requestRecorder } from './capture-recorder.ts'
import { type CapturedBody, headOf, type KeptBody, shown, sizeOf, textsOf } from './captured-body.ts'
import { createCapturedRequests, type KeptRequest } from './captured-requests.ts'
import type { FindSecrets } from './redaction.ts'

export const bodyNames = ['client-request', 'upstream-request', 'upstream-reply', 'client-reply'] as const
export type BodyName = (typeof bodyNames)[number]

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
  /** Begins to keep the bodies of a request; `undefined` where bodies are not kept. */
  begin(id: string, startedAt: number): RequestCapture | undefined
  /** What was kept of a request, or a sentence that says why nothing was. */
  read(id: string): Promise<Captured | string>
  /** The same without the bodies, which to clean of secrets takes long. */
  sizes(id: string): Promise<BodySize[] | string>
  /** The client's request as it came, with its secrets; `undefined` where it was not kept, or not whole. */
  original(id: string): Promise<{ head: MessageHead; body: string } | undefined>
  close(): Promise<void>
}

/** The bodies of one request, without secrets. */
export interface Captured {
  bodies: NamedBody[]
}

interface Named {
  name: BodyName
  /** The number of the attempt, from 1; only for the bodies of an upstream. */
  attempt?: number
}

export interface NamedBody extends CapturedBody, Named {}

export interface BodySize extends Named {
  /** What was kept of it, in bytes. */
  bytes: number
  chunks: number
  /** Whether the rest was not kept. */
  truncated: boolean
}

export interface CaptureOptions {
  clock: Clock
  /** As the configuration has them; read whenever they are needed. */
  configured: () => { mode: CaptureMode; maxBytes: number; maxDiskBytes: number }
  findSecrets: FindSecrets
  /** The files in which `disk` keeps bodies. */
  files?: CaptureFiles | undefined
}

/** Bodies that outlive the program. */
export interface CaptureFiles {
  write(id: string, captured: Captured): Promise<void>
  read(id: string): Promise<Captured | undefined>
  usedBytes(): number
  close(): Promise<void>
}

/** One body may take this part of the room. */
const largestShare = 1 / 8

/** Without files, `disk` works as `memory` does. The requests that were unused for the longest time are dropped first. */
export function createCapture({ clock, configured, findSecrets, files }: CaptureOptions): Capture {
  const { mode, until, set, subscribe, close } = createModeSwitch(clock, () => configured().mode)
  const requests = createCapturedRequests()
  // Settles when the last request that is to be written has been.
  let writing: Promise<void> = Promise.resolve()

  return {
    mode,
    state() {
      const end = until()
      return {
        ...{ mode: mode(), configured: configured().mode },
        ...(end === undefined ? {} : { until: end }),
        ...room(),
      }
    },
    set,
    subscribe,
    begin(id, startedAt) {
      const now = mode()
      if (now !== 'memory' && now !== 'disk') return undefined
      const { maxBytes } = configured()
      const request = requests.add({ id, startedAt, toDisk: now === 'disk' }, maxBytes)
      const limit = Math.floor(maxBytes * largestShare)
      return requestRecorder(request, { requests, clock, limit, onEnd: () => store(request) })
    },
    async read(id) {
      const request = requests.use(id)
      if (request) return { bodies: bodiesOf(request, findSecrets) }
      return (await files?.read(id)) ?? reasonFor(id)
    },
    async sizes(id) {
      const request = requests.use(id)
      if (request)
        return eachNamed(request).map(({ named, body }) => ({
          ...{ ...named, bytes: sizeOf(body), chunks: body.ends.length, truncated: body.truncated },
        }))
      const stored = await files?.read(id)
      return (
        stored?.bodies.map(({ name, attempt, bytes, chunks, truncated = false }) => ({
          ...{ name, ...(attempt === undefined ? {} : { attempt }), bytes, chunks: chunks.length, truncated },
        })) ?? reasonFor(id)
      )
    },
    async original(id) {
      const body = requests.use(id)?.bodies.get('client-request')
      if (body) return body.truncated ? undefined : { head: headOf(body), body: textsOf(body).join('') }
      const stored = (await files?.read(id))?.bodies.find(({ name }) => name === 'client-request')
      if (!stored || stored.truncated) return undefined
      return { head: stored, body: stored.chunks.map(({ text }) => text).join('') }
    },
    async close() {
      close()
      for (const request of requests.all()) store(request)
      await writing
      await files?.close()
    },
  }

  function room(): Pick<CaptureState, 'used_bytes' | 'max_bytes'> {
    const { maxBytes, maxDiskBytes } = configured()
    return files && mode() === 'disk'
      ? { used_bytes: files.usedBytes(), max_bytes: maxDiskBytes }
      : { used_bytes: requests.usedBytes(), max_bytes: maxBytes }
  }

  /**
   * Writes a request to its file, where there are files; then it needs no memory. Requests are written one after another,
   * because each needs its texts a second time meanwhile. One that is dropped before its turn is not written.
   */
  function store(request: KeptRequest): void {
    if (!files || !request.toDisk) return
    const write = async () => {
      if (!requests.has(request)) return
      await files.write(request.id, { bodies: bodiesOf(request, findSecrets) })
      if (requests.has(request)) requests.drop(request)
    }
    // A request that cannot be written stays in memory as long as there is room.
    writing = writing.then(write).catch(() => {})
  }

  function reasonFor(id: string): string {
    if (requests.wasDropped(id))
      return 'Its bodies have made room for those of newer requests; CAPTURE_MB sets how many are kept.'
    const now = mode()
    if (now === 'off' || now === 'metadata')
      return `Bodies are not kept (CAPTURE is ${now}): start to capture for some minutes, or set CAPTURE=memory.`
    return 'It came before bodies were kept, or with an earlier run of this gateway.'
  }
}

/** Without secrets, and without the client's credentials for servers of its own, wherever they are repeated. */
function bodiesOf(request: KeptRequest, findKnown: FindSecrets): NamedBody[] {
  const asked = request.bodies.get('client-request')
  const own = asked ? mcpSecretsIn(textsOf(asked).join('')) : []
  const findOwn = createClientSecretFinder(own)
  const findSecrets: FindSecrets = own.length === 0 ? findKnown : (text) => [...findKnown(text), ...findOwn(text)]
  return eachNamed(request).map(({ named, body }) => ({ ...named, ...shown(body, findSecrets) }))
}

function eachNamed({ bodies }: KeptRequest): { named: Named; body: KeptBody }[] {
  return [...bodies].flatMap(([key, body]) => {
    const [word, attempt] = key.split(' ')
    const name = bodyNames.find((one) => one === word)
    if (name === undefined) return []
    return [{ named: { name, ...(attempt === undefined ? {} : { attempt: Number(attempt) }) }, body }]
  })
}

import { signal } from '@preact/signals'
import { ApiError, errorOf } from '../api/client.ts'
import { readEvents, readLines } from '../api/read-events.ts'
import { root } from '../router.ts'
import type { TryDialect } from './dialect.ts'
import { tryDialects } from './dialects.ts'
import {
  type AttachedImage,
  clockTool,
  type Progress,
  runClock,
  type TrySettings,
  type Turn,
  type Usage,
} from './transcript.ts'

// Kept while the user is on other screens.
export const turns = signal<readonly Turn[]>([])
export const draft = signal('')
export const images = signal<readonly AttachedImage[]>([])
export const dialect = signal<TryDialect>(tryDialects[0])
export const settings = signal<TrySettings>({ model: '', thinking: 'default', maxTokens: undefined, tool: false })
/** A client's key; it is kept in memory only. */
export const key = signal('')

export interface Run {
  state: 'waiting' | 'thinking' | 'writing' | 'calling' | 'done' | 'stopped' | 'failed'
  requestId?: string | undefined
  firstMs?: number | undefined
  totalMs: number
  usage: Usage
  stop?: string | undefined
  error?: ApiError | undefined
}

export const isOver = ({ state }: Pick<Run, 'state'>): boolean =>
  state === 'done' || state === 'stopped' || state === 'failed'

/** The last request, or the one under way. */
export const run = signal<Run | undefined>(undefined)
let underWay: AbortController | undefined

export function stop(): void {
  underWay?.abort()
}

export function startOver(): void {
  stop()
  turns.value = []
  run.value = undefined
}

/** A model that never stops calling is stopped. */
const mostRounds = 4

/** Sends what stands in the field. Calls of the page's own tool are answered by it, and sent again. */
export async function sendDraft(): Promise<void> {
  const text = draft.value.trim()
  if ((text === '' && images.value.length === 0) || underWay) return
  turns.value = [...turns.value, { by: 'user', text, images: images.value }]
  draft.value = ''
  images.value = []
  for (let round = 0; round < mostRounds; round++) {
    const progress = await once()
    const calls = progress?.parts.filter((part) => part.type === 'call') ?? []
    if (calls.length === 0 || calls.some(({ name }) => name !== clockTool.name)) return
    for (const call of calls) call.result = runClock()
    turns.value = [...turns.value]
  }
}

async function once(): Promise<Progress | undefined> {
  const controller = new AbortController()
  underWay = controller
  const { path, headers, keyHeader, body, take, isLines } = dialect.value
  const started = performance.now()
  const elapsed = () => performance.now() - started
  const before = turns.value
  const progress: Progress = { parts: [], usage: {} }
  const current: Run = { state: 'waiting', totalMs: 0, usage: {} }
  let painted = false
  const publish = () => {
    painted = false
    current.totalMs = elapsed()
    current.usage = progress.usage
    current.stop = progress.stop
    run.value = { ...current }
    turns.value =
      progress.parts.length === 0
        ? before
        : [...before, { by: 'model', model: settings.value.model, parts: [...progress.parts] }]
  }
  // At most once a frame: deltas come faster than anybody reads.
  const soon = () => {
    if (painted) return
    painted = true
    requestAnimationFrame(() => current.state !== 'failed' && painted && publish())
  }
  publish()
  try {
    const response = await fetch(root.replace(/\/$/, '') + path(settings.value.model), {
      method: 'POST',
      signal: controller.signal,
      headers: {
        'content-type': 'application/json',
        ...headers,
        ...(key.value === '' ? {} : Object.fromEntries([keyHeader(key.value)])),
      },
      body: JSON.stringify(body(before, settings.value)),
    })
    current.requestId = response.headers.get('x-request-id') ?? undefined
    if (!response.ok) throw await errorOf(response)
    const onEvent = (event: string | undefined, data: string) => {
      if (data === '[DONE]') return
      const said = JSON.parse(data)
      const failure = said.error ?? (said.type === 'response.failed' ? said.response?.error : undefined)
      if (failure) throw new ApiError(response.status, failure.message ?? String(failure), failure)
      const parts = progress.parts.length
      take(progress, event, said, elapsed())
      const last = progress.parts.at(-1)
      if (parts === 0 && last) current.firstMs = elapsed()
      if (last) current.state = last.type === 'reasoning' ? 'thinking' : last.type === 'text' ? 'writing' : 'calling'
      soon()
    }
    if (isLines) await readLines(response, (line) => onEvent(undefined, line))
    else await readEvents(response, ({ event, data }) => onEvent(event, data))
    current.state = 'done'
  } catch (thrown) {
    if (controller.signal.aborted) current.state = 'stopped'
    else {
      current.state = 'failed'
      current.error = thrown instanceof ApiError ? thrown : new ApiError(0, '')
    }
  }
  if (underWay === controller) underWay = undefined
  publish()
  return current.state === 'done' ? progress : undefined
}

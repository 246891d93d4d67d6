import { computed, signal } from '@preact/signals'
import type { RequestPage, RequestRow } from '../../admin/schema/requests.ts'
import { ApiError, get } from '../api/client.ts'
import { onEnded, running } from '../api/live.ts'
import { type Filter, isEmpty, matches, searchOf } from './filter.ts'
import { newestRows, unknownRows, withRow } from './kept-rows.ts'

// The list outlives its screen, so that the user returns to the same row.

/** Requests that are over, newest first. */
export const ended = signal<readonly RequestRow[]>([])
/** Requests that ended while the list was paused. */
export const pending = signal<readonly RequestRow[]>([])
/** How many of those are not kept. */
const left = signal(0)
/** How many requests ended while the list was paused. */
export const pendingCount = computed(() => pending.value.length + left.value)
/** When the user paused the list; `undefined` while it updates. */
export const pausedAt = signal<number | undefined>(undefined)
/** The reader looks at older rows: what is in view stays there. */
export const scrolledDown = signal(false)
export const error = signal<ApiError | undefined>(undefined)
export const reading = signal<'first' | 'more' | undefined>(undefined)
/** There are no older ones. */
export const complete = signal(false)
export const selected = signal<string | undefined>(undefined)

const frozen = signal<readonly RequestRow[]>([])

/** Requests under way that match the filter. The list shows them above the others. */
export const underWay = computed(() => {
  const rows = pausedAt.value === undefined ? running.value : frozen.value
  return isEmpty(current.value)
    ? rows
    : rows.filter((row) => matches({ ...row, total_ms: Date.now() - row.at }, current.value))
})

const current = signal<Filter>({ words: '', view: 'all', named: {} })
let cursor: string | undefined
/** The position at which older rows were dropped from the list. It replaces the cursor. */
let readBefore: number | undefined
let generation: AbortController | undefined

/** Shows what `filter` asks for, from the newest on. The same filter again changes nothing. */
export function show(filter: Filter): void {
  if (generation && JSON.stringify(filter) === JSON.stringify(current.peek())) return
  current.value = filter
  ended.value = []
  reload()
}

export function reload(): void {
  generation?.abort()
  generation = new AbortController()
  pending.value = []
  left.value = 0
  cursor = undefined
  readBefore = undefined
  complete.value = false
  void read('first', generation.signal)
}

/** Reads older rows, if there are some and none are being read. */
export function readMore(): void {
  if (reading.peek() !== undefined || complete.peek() || error.peek() || !generation) return
  void read('more', generation.signal)
}

/** Rows that fill a window. */
const enough = 60

async function read(which: 'first' | 'more', signal: AbortSignal): Promise<void> {
  reading.value = which
  error.value = undefined
  try {
    const before = which === 'more' ? cursor : undefined
    const until = which === 'more' && before === undefined ? readBefore : undefined
    const search = searchOf(current.peek(), Date.now(), before, until)
    const page = await get<RequestPage>(`requests?${search}`, signal)
    const over = page.rows.filter((row) => row.state === 'done')
    ended.value = which === 'first' ? merged(over, ended.peek()) : [...ended.peek(), ...unknownRows(over, ended.peek())]
    cursor = page.next
    readBefore = undefined
    complete.value = page.next === undefined
    // A search looks at a part of all requests at a time, and may find nothing in many of them.
    if (ended.peek().length < enough && cursor !== undefined) return read('more', signal)
  } catch (thrown) {
    if (signal.aborted) return
    error.value = thrown instanceof ApiError ? thrown : new ApiError(0, '')
  }
  reading.value = undefined
}

/** Both lists in one: a request that ended while the first page was read may be in either, or in both. */
function merged(read: readonly RequestRow[], live: readonly RequestRow[]): RequestRow[] {
  const known = new Set(read.map(({ id }) => id))
  return [...live.filter(({ id }) => !known.has(id)), ...read].sort((a, b) => b.at - a.at)
}

onEnded((row) => {
  if (!generation || !matches(row, current.peek())) return
  if (pausedAt.peek() === undefined && !scrolledDown.peek()) {
    keep(withRow(ended.peek(), row))
    return
  }
  const { rows, isCut } = newestRows(withRow(pending.peek(), row))
  if (isCut) left.value += pending.peek().length + 1 - rows.length
  pending.value = rows
})

/** Shows the newest of these rows. Where others are left out, they are read from the gateway once they are wanted. */
function keep(all: RequestRow[]): void {
  const { rows, isCut } = newestRows(all)
  ended.value = rows
  if (!isCut) return
  cursor = undefined
  complete.value = false
  readBefore = (rows.at(-1)?.at ?? 0) + 1
}

export function takePending(): void {
  if (pending.peek().length === 0) return
  // Rows between the shown and the pending ones were dropped, so the list is read anew.
  if (left.peek() > 0) {
    ended.value = []
    reload()
    return
  }
  let rows: RequestRow[] = [...ended.peek()]
  for (const row of pending.peek()) rows = withRow(rows, row)
  keep(rows)
  pending.value = []
}

export function togglePause(): void {
  if (pausedAt.peek() === undefined) {
    frozen.value = running.peek()
    pausedAt.value = Date.now()
    return
  }
  pausedAt.value = undefined
  takePending()
}

import type { RequestRow } from '../../admin/schema/requests.ts'
import { hasFailed } from '../parts/request-words.tsx'

/** Words of a filter that have a name: `model:glm-5.3`. They stand in the address by the same names. */
export const filterNames = ['model', 'key', 'upstream', 'client', 'session', 'status', 'min', 'since'] as const
export type FilterName = (typeof filterNames)[number]

export const views = ['all', 'errors', 'slow', 'noted'] as const
export type View = (typeof views)[number]

export interface Filter {
  words: string
  view: View
  named: Partial<Record<FilterName, string>>
}

/** A request is slow from here on. */
const slowMs = 30_000

export function filterOf(query: URLSearchParams): Filter {
  const view = query.get('view')
  return {
    words: query.get('q') ?? '',
    view: views.find((each) => each === view) ?? 'all',
    named: Object.fromEntries(filterNames.flatMap((name) => (query.get(name) ? [[name, query.get(name)]] : []))),
  }
}

export const isEmpty = ({ words, view, named }: Filter): boolean =>
  words === '' && view === 'all' && Object.keys(named).length === 0

/** Takes `name:value` out of what was typed, once a space or Enter ends it. */
export function takeNamed(typed: string): { rest: string; found: Partial<Record<FilterName, string>> } {
  const found: Partial<Record<FilterName, string>> = {}
  const rest = typed.replaceAll(/(\w+):>?(\S+)\s*/g, (all, name: string, value: string) => {
    const known = filterNames.find((each) => each === name.toLowerCase())
    if (!known) return all
    found[known] = value
    return ''
  })
  return { rest, found }
}

/** `2s`, `500ms`, `1h`, `7d` in ms; a bare number is in seconds. */
export function durationOf(text: string): number | undefined {
  const [, amount, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text) ?? []
  if (amount === undefined) return undefined
  return Number(amount) * ({ ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit] ?? 1000)
}

const minMs = ({ view, named }: Filter): number | undefined =>
  (named.min ? durationOf(named.min) : undefined) ?? (view === 'slow' ? slowMs : undefined)

/** The same in the words of the API. */
export function searchOf(filter: Filter, now: number, before?: string, until?: number): string {
  const { words, view, named } = filter
  const search = new URLSearchParams({ limit: '200' })
  if (words) search.set('q', words)
  for (const name of ['model', 'key', 'upstream', 'client', 'session'] as const)
    if (named[name]) search.set(name, named[name])
  const status = named.status ?? (view === 'errors' ? 'error' : undefined)
  if (status) search.set('status', status)
  if (view === 'noted') search.set('notes', 'any')
  const min = minMs(filter)
  if (min !== undefined) search.set('min_ms', String(min))
  const since = named.since ? durationOf(named.since) : undefined
  if (since !== undefined) search.set('since', String(Math.round(now - since)))
  if (before) search.set('before', before)
  if (until !== undefined) search.set('until', String(until))
  return search.toString()
}

/** Whether a request that has just ended belongs into the list. The gateway decides the same for all others. */
export function matches(row: RequestRow, filter: Filter): boolean {
  const { words, view, named } = filter
  const { client, key, model, asked, upstream, session, status, error, notes, id, stop_reason } = row
  const has = (text: string | undefined, part: string) => text?.toLowerCase().includes(part.toLowerCase()) ?? false
  if (named.model && !has(model, named.model) && !has(asked, named.model)) return false
  if (named.key && key.id !== named.key && key.label !== named.key) return false
  if (named.upstream && upstream !== named.upstream) return false
  if (named.client && !has(client?.name, named.client)) return false
  if (named.session && session !== named.session) return false
  const wanted = named.status ?? (view === 'errors' ? 'error' : undefined)
  if (wanted === 'error' ? !hasFailed(row) : wanted !== undefined && String(status) !== wanted) return false
  if (view === 'noted' && notes.length === 0) return false
  const least = minMs(filter)
  if (least !== undefined && (row.total_ms ?? 0) < least) return false
  const texts = [client?.name, key.label, model, asked, upstream, session, error?.code, error?.message, stop_reason, id]
  return words.split(/\s+/).every((word) => word === '' || [...texts, ...notes].some((text) => has(text, word)))
}

import { useSignal } from '@preact/signals'
import type { Budget, KeyChange, KeyView, NewKey } from '../../admin/schema/keys.ts'

/** A budget as it is typed. */
export interface BudgetDraft {
  limit: string
  unit: Budget['unit']
  window: string
}

/** The text typed into the form of a key. The gateway parses it and reports errors. */
export type KeyDraft = ReturnType<typeof useKeyDraft>

/** Filled with what a key may do now; empty for a new one. */
export function useKeyDraft(before: KeyView | undefined) {
  const budgets = before?.budgets.map(({ limit, unit, window }) => ({ limit: String(limit), unit, window }))
  return {
    name: useSignal(before?.name ?? ''),
    models: useSignal(listed(before?.models)),
    upstreams: useSignal(listed(before?.upstreams)),
    dialects: useSignal(listed(before?.dialects)),
    servers: useSignal(before?.mcp_servers?.length === 0 ? 'off' : listed(before?.mcp_servers)),
    rpm: useSignal(listed(before?.rpm)),
    tpm: useSignal(listed(before?.tpm)),
    parallel: useSignal(listed(before?.parallel)),
    budgets: useSignal<readonly BudgetDraft[]>(budgets ?? []),
    expires: useSignal(before?.expires_at === undefined ? '' : dateOf(before.expires_at)),
  }
}

/** The names of all members that the form has a field for. */
const members = ['models', 'upstreams', 'dialects', 'mcp_servers', 'rpm', 'tpm', 'parallel', 'budgets'] as const
export const fieldNames: readonly string[] = ['name', ...members, 'expires']

/** A member may hold the text as it was typed. If the gateway cannot read it, its error names the field. */
type Typed<Members> = { [Name in keyof Members]: Members[Name] | string }

export function newKeyOf(draft: KeyDraft): Typed<NewKey> {
  return { name: draft.name.value.trim(), ...limitsOf(draft) }
}

/** In a change `null` takes a limit away. */
export function keyChangeOf(draft: KeyDraft): Typed<KeyChange> {
  const limits = limitsOf(draft)
  const change: Typed<KeyChange> = { name: draft.name.value.trim(), expires_at: limits.expires_at ?? null }
  return Object.assign(change, Object.fromEntries(members.map((member) => [member, limits[member] ?? null])))
}

function limitsOf({ models, upstreams, dialects, servers, rpm, tpm, parallel, budgets, expires }: KeyDraft) {
  const typed = budgets.value.filter(({ limit }) => limit.trim() !== '')
  return {
    models: namesIn(models.value),
    upstreams: namesIn(upstreams.value),
    dialects: namesIn(dialects.value),
    mcp_servers: servers.value.trim() === 'off' ? [] : namesIn(servers.value),
    rpm: numberOrText(rpm.value),
    tpm: numberOrText(tpm.value),
    parallel: numberOrText(parallel.value),
    budgets: typed.length > 0 ? typed.map(({ unit, limit, window }) => `${unit}:${limit.trim()}/${window}`) : undefined,
    expires_at: expires.value === '' ? undefined : endOf(expires.value),
  }
}

function listed(value: readonly string[] | number | undefined): string {
  return typeof value === 'object' ? value.join(', ') : String(value ?? '')
}

/** `NaN` would be `null` in JSON, which takes a limit away. */
function numberOrText(text: string): number | string | undefined {
  const number = numberIn(text)
  return Number.isNaN(number) ? text.trim() : number
}

/** Reads `2m` and `500k`. Not a number for any other text, and `undefined` for none. */
export function numberIn(text: string): number | undefined {
  const [, digits, unit] = /^([\d.]+)\s*([km]?)$/i.exec(text.trim()) ?? []
  if (text.trim() === '') return undefined
  return digits === undefined ? Number.NaN : Number(digits) * ({ k: 1e3, m: 1e6 }[unit?.toLowerCase() ?? ''] ?? 1)
}

export function namesIn(text: string): string[] | undefined {
  const names = text.split(/[\s,，]+/).filter(Boolean)
  return names.length > 0 ? names : undefined
}

function dateOf(at: number): string {
  const date = new Date(at - new Date(at).getTimezoneOffset() * 60_000)
  return date.toISOString().slice(0, 10)
}

/** The last moment of the day, in the reader's time zone. */
const endOf = (date: string): number => new Date(`${date}T23:59:59`).getTime()

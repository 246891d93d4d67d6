import { isRecord, parseJson } from '../core/json.ts'
import type { StateTable } from './migrations.ts'
import type { SqlValue } from './sql.ts'

export type Row = Record<string, SqlValue>

/** The rows of the tables for keys, budgets and reservations, by primary key. */
export type StateRows = Record<StateTable, ReadonlyMap<string, Row>>

/**
 * Merges two states that began as `base` and changed independently: `ours` in memory, and `theirs` in the file. A row
 * that either side deleted is deleted. If both changed the same member of a key, the file's is used. What both spent
 * from a budget is added up.
 */
export function threeWayMerge(base: StateRows, ours: StateRows, theirs: StateRows): StateRows {
  const keys = mergeRows(base.keys, ours.keys, theirs.keys, mergeKey)
  // A number that neither side has used yet, so that processes that have read either side read again.
  const changed = 1 + Math.max(0, ...[...ours.keys.values(), ...theirs.keys.values()].map((row) => number(row.changed)))
  for (const [id, row] of keys)
    if (!isSame(row, ours.keys.get(id)) || !isSame(row, theirs.keys.get(id))) keys.set(id, { ...row, changed })
  const budgets = mergeRows(base.budgets, ours.budgets, theirs.budgets, mergeBudget)
  const reservations = mergeRows(base.reservations, ours.reservations, theirs.reservations, mergeMembers)
  renumber(reservations, base, ours, theirs, budgets)
  addBackSettledTwice(base, ours, theirs, budgets)
  return { keys, budgets, reservations }
}

/** A request may reserve from several budgets, and uses the same id for all of them. */
export function rowId({ id = null, budget = null }: Row): string {
  return JSON.stringify([id, budget])
}

function budgetIdOf({ budget = null }: Row): string {
  return rowId({ id: budget })
}

/** Whether two rows are equal, apart from their number of changes. */
function isSame(one: Row | undefined, other: Row | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  return Object.keys(one).every((name) => name === 'changed' || one[name] === other[name])
}

type Merge = (base: Row, ours: Row, theirs: Row) => Row

function mergeRows(
  base: ReadonlyMap<string, Row>,
  ours: ReadonlyMap<string, Row>,
  theirs: ReadonlyMap<string, Row>,
  merge: Merge,
): Map<string, Row> {
  const merged = new Map<string, Row>()
  for (const id of new Set([...theirs.keys(), ...ours.keys()])) {
    const [before, our, their] = [base.get(id), ours.get(id), theirs.get(id)]
    if (our !== undefined && their !== undefined) merged.set(id, merge(before ?? {}, our, their))
    else if (before === undefined) merged.set(id, our ?? their ?? {})
  }
  return merged
}

function mergeKey(base: Row, ours: Row, theirs: Row): Row {
  const deleted = [theirs, ours].find((row) => row.deleted !== null)
  if (deleted !== undefined) return deleted
  const merged = mergeMembers(base, ours, theirs)
  return {
    ...merged,
    rules: mergeRules(base.rules, ours.rules, theirs.rules),
    expires: isChangedTwice(base.expires, ours.expires, theirs.expires)
      ? Math.min(number(ours.expires, Infinity), number(theirs.expires, Infinity))
      : (merged.expires ?? null),
    last_used: Math.max(number(ours.last_used), number(theirs.last_used)) || null,
  }
}

function mergeBudget(base: Row, ours: Row, theirs: Row): Row {
  const { lim = null } = mergeMembers(base, ours, theirs)
  const isMoved = theirs.generation !== base.generation
  const isOneWindow = isSameWindow(ours, theirs) && !isReset(base, theirs)
  const sum = (name: 'settled' | 'reserved') =>
    number(ours[name]) + number(theirs[name]) - (isMoved ? 0 : number(base[name]))
  const counters = { settled: sum('settled'), reserved: sum('reserved') }
  if (!isMoved) return { ...ours, ...(isOneWindow ? counters : {}), lim }
  const generation = 1 + Math.max(number(ours.generation), number(theirs.generation))
  if (isOneWindow) return { ...ours, ...counters, generation, lim }
  // The other side has reset the budget or begun a later window, so earlier spending no longer counts.
  const isOver = theirs.window_start === 0 || number(theirs.window_start) > number(ours.window_start)
  return isOver ? { ...theirs, generation, lim } : { ...ours, lim }
}

/**
 * A window of hours begins with its first request, so the same window may begin at different times on the two sides.
 */
function isSameWindow(one: Row, other: Row): boolean {
  const distance = Math.abs(number(one.window_start) - number(other.window_start))
  return distance < Math.max(1, number(one.window_ms))
}

function isReset(base: Row, row: Row): boolean {
  return row.generation !== base.generation && row.window_start === 0
}

/** Gives the merged budget's generation to the reservations that still count in it. */
function renumber(
  reservations: Map<string, Row>,
  base: StateRows,
  ours: StateRows,
  theirs: StateRows,
  budgets: ReadonlyMap<string, Row>,
): void {
  for (const [id, row] of reservations) {
    const isOurs = ours.reservations.has(id)
    const key = budgetIdOf(row)
    const [before, merged] = [(isOurs ? ours : theirs).budgets.get(key), budgets.get(key)]
    if (before === undefined || merged === undefined || before.generation !== row.generation) continue
    const isForgiven = isOurs && isReset(base.budgets.get(key) ?? {}, theirs.budgets.get(key) ?? {})
    if (!isForgiven && isSameWindow(before, merged))
      reservations.set(id, { ...row, generation: merged.generation ?? 0 })
  }
}

/** Corrects budgets for reservations that both sides settled, because the sum of both counts each of them twice. */
function addBackSettledTwice(base: StateRows, ours: StateRows, theirs: StateRows, budgets: Map<string, Row>): void {
  for (const [id, row] of base.reservations) {
    const budget = budgets.get(budgetIdOf(row))
    const isSettledTwice = !ours.reservations.has(id) && !theirs.reservations.has(id)
    if (!isSettledTwice || budget?.generation !== row.generation) continue
    const reserved = number(budget?.reserved) + number(row.amount)
    const settled = number(budget?.settled) - number(row.estimate)
    budgets.set(budgetIdOf(row), { ...budget, reserved, settled })
  }
}

function mergeMembers<Member>(
  base: Record<string, Member>,
  ours: Record<string, Member>,
  theirs: Record<string, Member>,
): Record<string, Member> {
  const names = new Set([...Object.keys(ours), ...Object.keys(theirs)])
  const taken = [...names].map((name) => {
    const side = isEqual(theirs[name], base[name]) ? ours : theirs
    return [name, side] as const
  })
  // A limit that was removed is absent on its side, and so in the result.
  return Object.fromEntries(taken.flatMap(([name, side]) => (name in side ? [[name, side[name] as Member]] : [])))
}

function mergeRules(base: SqlValue | undefined, ours: SqlValue | undefined, theirs: SqlValue | undefined): SqlValue {
  const [before, our, their] = [base, ours, theirs].map((text) => (typeof text === 'string' ? parseJson(text) : {}))
  if (!isChangedTwice(base, ours, theirs) || !isRecord(our) || !isRecord(their))
    return (isEqual(theirs, base) ? ours : theirs) ?? null
  return JSON.stringify(mergeMembers<unknown>(isRecord(before) ? before : {}, our, their))
}

function isChangedTwice(base: unknown, ours: unknown, theirs: unknown): boolean {
  return !isEqual(ours, base) && !isEqual(theirs, base)
}

function isEqual(one: unknown, other: unknown): boolean {
  return Bun.deepEquals(one, other)
}

function number(value: SqlValue | undefined, otherwise = 0): number {
  return typeof value === 'number' ? value : otherwise
}

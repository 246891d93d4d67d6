import type { BudgetRow } from '../store/budget-rows.ts'
import type { KeyRow } from '../store/keys.ts'
import { atomsOf, type BudgetUnit } from './budget.ts'
import { readRules } from './registry.ts'
import { windowSeenAt } from './window.ts'

/** A budget as its holder and the operator see it. Amounts in units, instants in epoch milliseconds. */
export interface BudgetView {
  unit: BudgetUnit
  limit: number
  window: BudgetRow['window']
  spent: number
  reserved: number
  left: number
  /** Absent if the budget never resets or its window has not begun. */
  resets_at?: number
}

/** A key as its holder and the operator see it, without its secret. */
export interface KeyView {
  id: string
  name: string
  prefix: string
  created_at: number
  expires_at?: number
  disabled: boolean
  models?: string[]
  upstreams?: string[]
  dialects?: string[]
  /** An empty list allows none. */
  mcp_servers?: string[]
  rpm?: number
  tpm?: number
  parallel?: number
  budgets: BudgetView[]
  last_used_at?: number
  state: KeyState
}

/** `warning`: more than 80 % of a budget is used. */
export type KeyState = 'active' | 'disabled' | 'expired' | 'used_up' | 'warning'

export function keyView(row: KeyRow, budgets: readonly BudgetRow[], now: number): KeyView {
  const { id, name, prefix, createdAt, expiresAt, lastUsedAt, disabled } = row
  const { mcpServers, ...rules } = readRules(row.rules)
  const views = budgets.map((budget) => budgetView(budget, now))
  return {
    ...{ id, name, prefix, created_at: createdAt },
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
    disabled,
    ...rules,
    ...(mcpServers === undefined ? {} : { mcp_servers: mcpServers }),
    budgets: views,
    ...(lastUsedAt === undefined ? {} : { last_used_at: lastUsedAt }),
    state: stateOf(row, views, now),
  }
}

function budgetView(budget: BudgetRow, now: number): BudgetView {
  const { unit, limit, window, startedAt } = budget
  const span = windowSeenAt(window, startedAt, now)
  // Nothing has been spent in a window that is new.
  const { settled, reserved } = span.startedAt === startedAt ? budget : { settled: 0, reserved: 0 }
  const atoms = atomsOf[unit]
  return {
    ...{ unit, limit: limit / atoms, window, spent: settled / atoms, reserved: reserved / atoms },
    left: Math.max(0, limit - settled - reserved) / atoms,
    ...(span.resetsAt === undefined ? {} : { resets_at: span.resetsAt }),
  }
}

const warningShare = 0.8

function stateOf({ disabled, expiresAt }: KeyRow, budgets: readonly BudgetView[], now: number): KeyState {
  if (disabled) return 'disabled'
  if (expiresAt !== undefined && now >= expiresAt) return 'expired'
  if (budgets.some(({ spent, limit }) => spent >= limit)) return 'used_up'
  return budgets.some(({ spent, limit }) => spent > limit * warningShare) ? 'warning' : 'active'
}
